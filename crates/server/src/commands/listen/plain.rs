//! A line for each event, for scripts and logs.

use std::io::{self, Write as _};

use anyhow::Result;
use domain::Event;
use futures::StreamExt as _;

use super::follow::{Follower, News};
use super::forward::{Forwarded, Forwarder};

/// Forwards until it is told to stop.
pub(super) async fn run(
    follower: Follower,
    forwarder: &Forwarder,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let work = async {
        let mut news = std::pin::pin!(follower.news());
        while let Some(heard) = news.next().await {
            match heard? {
                News::Event(event) => {
                    let forwarded = forwarder.forward(&event, forwarder.delivery_id()).await;
                    writeln!(io::stdout(), "{}", line(&event, &forwarded))?;
                }
                News::Away(why) => eprintln!("{why}; asking again"),
                News::Back => eprintln!("the server is back"),
            }
        }
        Ok(())
    };
    tokio::select! {
        done = work => done,
        () = stop => Ok(()),
    }
}

fn line(event: &Event, forwarded: &Forwarded) -> String {
    let user = event.user_id.as_ref().map_or("-", |user| user.as_str());
    let (told, took) = (forwarded.told(), forwarded.took.as_millis());
    format!("{}  {}  {}  {user}  {told}  {took} ms", event.received_at, event.id, event.event_type)
}
