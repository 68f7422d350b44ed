//! Packets by epoll: level-triggered, one receive for each event. At 50 packets a second a socket never has two
//! waiting, so that draining it would cost a system call for nothing.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use carillon_session::{Component, Place, SocketKey};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::packet_io::{MAX_ROUND, PacketIo, Received};

const WAKE: u64 = u64::MAX;

/// Interrupts a thread's waiting.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn wake(&self) {
        // Only a full counter refuses, and then the thread is woken already.
        rustix::io::write(&*self.0, &1_u64.to_ne_bytes()).ok();
    }
}

struct Socket {
    fd: OwnedFd,
    place: Place,
    component: Component,
}

/// The sockets of one thread.
pub(crate) struct Epoll {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    sockets: Vec<Option<Socket>>,
    vacant: Vec<u32>,
    /// What the last wait has found, by socket index.
    ready: Vec<u64>,
    next: usize,
    traffic_class: u8,
}

impl Epoll {
    pub(crate) fn new(dscp: u8) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &*wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake,
            sockets: Vec::new(),
            vacant: Vec::new(),
            ready: Vec::with_capacity(MAX_ROUND),
            next: 0,
            traffic_class: dscp << 2,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.wake))
    }

    fn bind(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
        match address {
            SocketAddr::V4(_) => sockopt::set_ip_tos(&fd, self.traffic_class)?,
            SocketAddr::V6(_) => {
                sockopt::set_ipv6_v6only(&fd, true)?;
                sockopt::set_ipv6_tclass(&fd, self.traffic_class.into())?;
            }
        }
        rustix::net::bind(&fd, &address)?;
        Ok(fd)
    }

    fn clear_wake(&self) {
        let mut counter = [0; 8];
        rustix::io::read(&*self.wake, &mut counter).ok();
    }
}

impl PacketIo for Epoll {
    fn open(
        &mut self,
        address: SocketAddr,
        place: Place,
        component: Component,
    ) -> io::Result<SocketKey> {
        let fd = self.bind(address)?;
        let index = self
            .vacant
            .last()
            .copied()
            .unwrap_or(self.sockets.len() as u32);
        epoll::add(
            &self.epoll,
            &fd,
            EventData::new_u64(index.into()),
            EventFlags::IN,
        )?;
        let socket = Some(Socket {
            fd,
            place,
            component,
        });
        match self.vacant.pop() {
            Some(_) => self.sockets[index as usize] = socket,
            None => self.sockets.push(socket),
        }
        Ok(SocketKey(index))
    }

    fn close(&mut self, socket: SocketKey) {
        // Closing the last descriptor takes the socket off the epoll.
        if self.sockets[socket.0 as usize].take().is_some() {
            self.vacant.push(socket.0);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.ready.clear();
        self.next = 0;
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut events = [const { MaybeUninit::<Event>::uninit() }; MAX_ROUND];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => self
                .ready
                .extend(events.iter().map(|event| event.data.u64())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.ready.len())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        while let Some(index) = self.ready.get(self.next).copied() {
            self.next += 1;
            if index == WAKE {
                self.clear_wake();
                continue;
            }
            let Some(Some(socket)) = self.sockets.get(index as usize) else {
                continue;
            };
            // With TRUNC the kernel tells the true length of a packet that it had to cut.
            let Ok((_, octets, Some(source))) = rustix::net::recvfrom(
                &socket.fd,
                &mut *buffer,
                RecvFlags::DONTWAIT | RecvFlags::TRUNC,
            ) else {
                continue;
            };
            let Ok(source) = SocketAddr::try_from(source) else {
                continue;
            };
            if octets <= buffer.len() {
                return Some(Received {
                    place: socket.place,
                    component: socket.component,
                    source,
                    octets,
                });
            }
        }
        None
    }

    fn send(&mut self, socket: SocketKey, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        let Some(Some(socket)) = self.sockets.get(socket.0 as usize) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        rustix::net::sendto(&socket.fd, octets, SendFlags::DONTWAIT, &to)?;
        Ok(())
    }
}
