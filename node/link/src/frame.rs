//! Frames on a stream: a length of four octets, then that many.

use bytes::{Buf, Bytes, BytesMut};

use crate::LinkError;

const LENGTH_OCTETS: usize = 4;
const READ_OCTETS: usize = 64 * 1024;

/// The sending half of a stream.
pub struct FrameSender {
    stream: quinn::SendStream,
    limit: usize,
}

impl FrameSender {
    pub(crate) fn new(stream: quinn::SendStream, limit: usize) -> Self {
        Self { stream, limit }
    }

    /// Sends one frame; waits while the peer is slow.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), LinkError> {
        let length = frame.len();
        let header = u32::try_from(length)
            .ok()
            .filter(|_| length <= self.limit)
            .ok_or(LinkError::TooLong {
                length,
                limit: self.limit,
            })?;
        let mut parts = [Bytes::copy_from_slice(&header.to_be_bytes()), frame];
        self.stream
            .write_all_chunks(&mut parts)
            .await
            .map_err(LinkError::closed)
    }

    /// Says that nothing follows.
    pub fn finish(&mut self) {
        self.stream.finish().ok();
    }

    /// Higher goes first when the link is full; the default is 0.
    pub fn set_priority(&self, priority: i32) {
        self.stream.set_priority(priority).ok();
    }
}

/// The receiving half of a stream.
pub struct FrameReceiver {
    stream: quinn::RecvStream,
    limit: usize,
    buffer: BytesMut,
}

impl FrameReceiver {
    pub(crate) fn new(stream: quinn::RecvStream, limit: usize) -> Self {
        Self {
            stream,
            limit,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame, or `None` when the peer has finished. May be dropped and called again.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            let chunk = self
                .stream
                .read_chunk(READ_OCTETS, true)
                .await
                .map_err(LinkError::closed)?;
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    return Err(LinkError::Closed(
                        "the stream ended inside a frame".to_owned(),
                    ));
                }
            }
        }
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, LinkError> {
        let Some(header) = self.buffer.first_chunk::<LENGTH_OCTETS>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header) as usize;
        if length > self.limit {
            return Err(LinkError::TooLong {
                length,
                limit: self.limit,
            });
        }
        if self.buffer.len() < LENGTH_OCTETS + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_OCTETS);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}
