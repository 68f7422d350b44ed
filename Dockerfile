# syntax=docker/dockerfile:1
# One image for both roles: `carillon node`. It runs as nobody in particular, writes to /var/lib/carillon alone, and needs no
# capability: docker run --read-only --cap-drop ALL -v carillon:/var/lib/carillon --network host carillon

FROM rust:1.95-bookworm AS rocksdb
RUN apt-get update \
 && apt-get install -y --no-install-recommends clang libclang1-14 libclang-common-14-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY node node
COPY control-plane control-plane
COPY media-server media-server
COPY ops ops
COPY tests tests
# The dearest part first, alone, so that a change of our own sources does not compile it again where layers are cached.
ENV CARILLON_CACHE=/cache
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/cache \
    cargo xtask env

FROM rocksdb AS build
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/cache \
    eval "$(cargo xtask env)" \
 && cargo build --locked --release --package carillon-daemon \
 && install -D target/release/carillon /out/usr/local/bin/carillon \
 && install -d /out/var/lib/carillon

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /var/lib/carillon --shell /usr/sbin/nologin carillon
COPY --from=build /out/usr/local/bin/carillon /usr/local/bin/carillon
COPY --from=build --chown=10001:10001 /out/var/lib/carillon /var/lib/carillon
USER 10001:10001
WORKDIR /var/lib/carillon
ENV CARILLON_DATA=/var/lib/carillon
VOLUME /var/lib/carillon
# SIP, SIP over TLS, HTTPS, metrics, cluster, media control, DNS. RTP is 10000-20000/udp: use the host's network for it.
EXPOSE 5060/udp 5060/tcp 5061/tcp 8443/tcp 9464/tcp 7400/udp 7500/udp 5353/udp 5353/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/carillon"]
CMD ["node"]
