//! Sends signed GitHub events, either flat out or on a fixed schedule, and checks every answer.
//!
//! Flat out is a closed loop: each connection sends its next request once it has its answer, which finds the
//! highest rate. The schedule is an open loop: requests have a due time that no slow answer moves, and a
//! request that had to wait for its connection counts that wait, so that a stall is not hidden by being
//! measured less often.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::github::Pushes;
use crate::http::{Connection, Response};

/// What a load may last beyond its schedule before it counts as hung.
const GRACE: Duration = Duration::from_secs(60);
const LATENCY_MICROSECONDS_MAX: u64 = 60_000_000;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Schedule {
    /// Closed loop, for this long.
    FlatOutFor(Duration),
    /// Closed loop, this many requests.
    FlatOutCount(u64),
    /// Open loop.
    PerSecond { rate: u32, lasting: Duration },
}

/// A load to be sent.
#[derive(Debug)]
pub struct Load {
    pub address: SocketAddr,
    pub pushes: Arc<Pushes>,
    pub connections: usize,
    pub schedule: Schedule,
    /// Whether to remember every accepted event, or only how many.
    pub keep_accepted: bool,
}

/// What came of it. Every answer was a 200 `accepted`; anything else ends the load with an error.
#[derive(Debug)]
pub struct Outcome {
    pub first_sent_at: Instant,
    pub elapsed: Duration,
    pub accepted_count: u64,
    pub accepted: Vec<Accepted>,
    pub latency_us: Histogram<u64>,
}

/// One event that the server took responsibility for.
#[derive(Debug)]
pub struct Accepted {
    pub event_id: Box<str>,
    pub sent_at: Instant,
    pub answered_at: Instant,
}

/// The server's answer to an inbound request.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    pub status: &'a str,
    pub event_id: &'a str,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.accepted_count as f64 / self.elapsed.as_secs_f64()
    }

    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1000.0
    }
}

impl Load {
    /// Opens all connections, then sends; ends when the last answer is read.
    pub async fn send(self) -> Result<Outcome> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address).await?);
        }
        let within = self.schedule.lasting() + GRACE;
        let run = Arc::new(Run::new(self)?);
        let mut drivers = JoinSet::new();
        for (number, connection) in connections.into_iter().enumerate() {
            drivers.spawn(Arc::clone(&run).drive(connection, number));
        }
        let all = async {
            while let Some(driver) = drivers.join_next().await {
                driver??;
            }
            anyhow::Ok(())
        };
        timeout(within, all)
            .await
            .with_context(|| format!("the load was not answered within {within:?}"))??;
        drop(drivers);
        Arc::into_inner(run).context("a driver outlived its load")?.into_outcome()
    }
}

impl Schedule {
    fn lasting(self) -> Duration {
        match self {
            Self::FlatOutFor(lasting) | Self::PerSecond { lasting, .. } => lasting,
            // At 100 a second: slower than that is a hang.
            Self::FlatOutCount(count) => Duration::from_millis(count.saturating_mul(10)),
        }
    }
}

/// What the drivers of one load share. They run on one thread, so the lock is never contended.
#[derive(Debug)]
struct Run {
    load: Load,
    started_at: Instant,
    requests_begun: AtomicU64,
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Tally {
    accepted_count: u64,
    accepted: Vec<Accepted>,
    latency_us: Histogram<u64>,
    last_answered_at: Instant,
}

impl Run {
    fn new(load: Load) -> Result<Self> {
        let started_at = Instant::now();
        let tally = Tally {
            accepted_count: 0,
            accepted: Vec::new(),
            latency_us: Histogram::new_with_max(LATENCY_MICROSECONDS_MAX, 3)?,
            last_answered_at: started_at,
        };
        Ok(Self { load, started_at, requests_begun: AtomicU64::new(0), tally: Mutex::new(tally) })
    }

    /// One connection's part of the load.
    async fn drive(self: Arc<Self>, mut connection: Connection, number: usize) -> Result<()> {
        let mut request = Vec::with_capacity(2048);
        let mut turn = 0;
        while let Some(sent_at) = self.next_slot(number, turn).await {
            self.load.pushes.write_next(&mut request);
            let response = connection.exchange(&request).await?;
            self.record(&response, sent_at)?;
            turn += 1;
        }
        Ok(())
    }

    /// Waits for the connection's next turn and says when it was; `None` when the load is over.
    ///
    /// A timer that fires late is the generator's fault, so the turn is when it fired; a connection that was
    /// still busy at its due time is the server's, so the turn is when it was due.
    async fn next_slot(&self, number: usize, turn: usize) -> Option<Instant> {
        match self.load.schedule {
            Schedule::FlatOutFor(lasting) => {
                let now = Instant::now();
                (now.duration_since(self.started_at) < lasting).then_some(now)
            }
            Schedule::FlatOutCount(count) => {
                (self.requests_begun.fetch_add(1, Ordering::Relaxed) < count).then(Instant::now)
            }
            Schedule::PerSecond { rate, lasting } => {
                let slot = number + turn * self.load.connections;
                let offset = Duration::from_secs_f64(slot as f64 / f64::from(rate));
                if offset >= lasting {
                    return None;
                }
                let due = self.started_at + offset;
                if due <= Instant::now() {
                    return Some(due);
                }
                sleep_until(due.into()).await;
                Some(Instant::now())
            }
        }
    }

    fn record(&self, response: &Response<'_>, sent_at: Instant) -> Result<()> {
        let answered_at = Instant::now();
        let answer = accepted(response)?;
        let mut tally = self.tally.lock().expect("no holder panics");
        let latency = answered_at.duration_since(sent_at).as_micros() as u64;
        tally.latency_us.saturating_record(latency);
        tally.accepted_count += 1;
        tally.last_answered_at = answered_at;
        if self.load.keep_accepted {
            tally.accepted.push(Accepted { event_id: answer.event_id.into(), sent_at, answered_at });
        }
        Ok(())
    }

    fn into_outcome(self) -> Result<Outcome> {
        let tally = self.tally.into_inner().expect("no holder panics");
        ensure!(tally.accepted_count > 0, "the load sent nothing");
        Ok(Outcome {
            first_sent_at: self.started_at,
            elapsed: tally.last_answered_at.duration_since(self.started_at),
            accepted_count: tally.accepted_count,
            accepted: tally.accepted,
            latency_us: tally.latency_us,
        })
    }
}

fn accepted<'a>(response: &Response<'a>) -> Result<Answer<'a>> {
    let answer = serde_json::from_slice::<Answer<'a>>(response.body).ok();
    match answer {
        Some(answer) if response.status == 200 && answer.status == "accepted" => Ok(answer),
        _ => bail!(
            "expected 200 accepted, got {}: {}",
            response.status,
            String::from_utf8_lossy(response.body)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bare;

    async fn bare_server() -> SocketAddr {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        tokio::spawn(bare::serve(address));
        for _ in 0..1000 {
            if Connection::open(address).await.is_ok() {
                return address;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the bare server does not listen");
    }

    async fn send(schedule: Schedule) -> Outcome {
        let address = bare_server().await;
        let pushes = Arc::new(Pushes::prepare(address, "alice", "secret", 0));
        let load = Load { address, pushes, connections: 8, schedule, keep_accepted: true };
        load.send().await.expect("the bare server accepts everything")
    }

    #[tokio::test]
    async fn a_count_is_sent_exactly() {
        let outcome = send(Schedule::FlatOutCount(1000)).await;
        assert_eq!((outcome.accepted_count, outcome.accepted.len()), (1000, 1000));
        assert_eq!(outcome.latency_us.len(), 1000);
    }

    #[tokio::test]
    async fn an_open_loop_sends_its_schedule_and_no_more() {
        let outcome = send(Schedule::PerSecond { rate: 500, lasting: Duration::from_millis(200) }).await;
        assert_eq!(outcome.accepted_count, 100);
    }
}
