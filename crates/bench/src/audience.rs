//! An audience: thousands of live streams that are only listened to, on one thread and without a task each, so that the harness
//! takes as little as can be of the cores that it shares with what it measures.

use std::io::{ErrorKind, Read as _};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::mpsc;

use crate::socket::{Socket, frame_in, is_event};

const READ_BYTES: usize = 64 * 1_024;
/// Streams that have something to read, told at once.
const TOLD_AT_ONCE: usize = 1_024;
/// No stream has so high a number.
const LEAVE: Token = Token(usize::MAX);

/// Streams that are listened to until it is dropped.
#[derive(Debug)]
pub struct Audience {
    rounds: mpsc::UnboundedReceiver<Result<Vec<Instant>>>,
    leave: Waker,
}

impl Audience {
    /// Has them listened to, in rounds: one is over when each stream has brought `every` more events.
    pub fn of(sockets: Vec<Socket>, every: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let leave = Waker::new(poll.registry(), LEAVE)?;
        let mut ears = Vec::with_capacity(sockets.len());
        for (number, socket) in sockets.into_iter().enumerate() {
            let mut ear = Ear::of(socket)?;
            poll.registry().register(&mut ear.stream, Token(number), Interest::READABLE)?;
            ears.push(ear);
        }
        let (tell, rounds) = mpsc::unbounded_channel();
        thread::Builder::new().name("audience".to_owned()).spawn(move || {
            if let Err(error) = listen(poll, ears, every, &tell) {
                let _nobody_asks = tell.send(Err(error));
            }
        })?;
        Ok(Self { rounds, leave })
    }

    /// When each stream has brought what it was to in the next round, the first first.
    ///
    /// # Errors
    /// A stream has ended.
    pub async fn round(&mut self) -> Result<Vec<Instant>> {
        self.rounds.recv().await.context("nobody listens any more")?
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        // Should it fail, the thread ends with its streams.
        let _told = self.leave.wake();
    }
}

fn listen(
    mut poll: Poll,
    mut ears: Vec<Ear>,
    every: usize,
    tell: &mpsc::UnboundedSender<Result<Vec<Instant>>>,
) -> Result<()> {
    let mut told = Events::with_capacity(TOLD_AT_ONCE);
    let mut buffer = vec![0; READ_BYTES];
    let mut round = Vec::with_capacity(ears.len());
    loop {
        match poll.poll(&mut told, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for readable in &told {
            if readable.token() == LEAVE {
                return Ok(());
            }
            let ear = &mut ears[readable.token().0];
            ear.listen(&mut buffer)?;
            if ear.heard.events >= every {
                ear.heard.events -= every;
                round.push(Instant::now());
            }
        }
        if round.len() >= ears.len() {
            tell.send(Ok(round))?;
            round = Vec::with_capacity(ears.len());
        }
    }
}

/// One stream.
struct Ear {
    stream: TcpStream,
    heard: Heard,
}

/// What a stream has brought.
#[derive(Default)]
struct Heard {
    /// The beginning of a frame that is not whole.
    rest: Vec<u8>,
    /// Events of this round.
    events: usize,
}

impl Ear {
    fn of(socket: Socket) -> Result<Self> {
        let (stream, rest) = socket.into_parts()?;
        let mut heard = Heard::default();
        heard.take(&rest)?;
        Ok(Self { stream: TcpStream::from_std(stream), heard })
    }

    /// Reads all that is there.
    fn listen(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(read) => {
                    ensure!(read > 0, "the server closed the connection");
                    self.heard.take(&buffer[..read])?;
                    if read < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Heard {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        // Frames mostly come whole, and are looked at where they lie.
        if self.rest.is_empty() {
            let taken = self.count(bytes)?;
            self.rest.extend_from_slice(&bytes[taken..]);
        } else {
            let mut joined = std::mem::take(&mut self.rest);
            joined.extend_from_slice(bytes);
            let taken = self.count(&joined)?;
            self.rest.extend_from_slice(&joined[taken..]);
        }
        Ok(())
    }

    /// Counts the events among the whole frames; the bytes that these take.
    fn count(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while let Some((opcode, from, to)) = frame_in(&bytes[taken..]) {
            let payload = &bytes[taken + from..taken + to];
            match opcode {
                0x1 => self.events += usize::from(is_event(payload)),
                0x8 => bail!("the server closed: {}", String::from_utf8_lossy(payload)),
                _ => {}
            }
            taken += to;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_once_however_they_are_cut() {
        let frame = |opcode: u8, text: &str| [&[0x80 | opcode, text.len() as u8], text.as_bytes()].concat();
        let event = frame(1, r#"{"t":"event","n":1}"#);
        let bytes = [event.clone(), frame(1, r#"{"t":"heartbeat"}"#), frame(9, ""), event].concat();
        for cut in 0..=bytes.len() {
            let mut heard = Heard::default();
            heard.take(&bytes[..cut]).unwrap();
            heard.take(&bytes[cut..]).unwrap();
            assert_eq!((heard.events, heard.rest.len()), (2, 0), "cut at {cut}");
        }
        assert!(Heard::default().take(&frame(8, "")).is_err(), "the server has closed");
    }
}
