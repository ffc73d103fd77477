//! The program's management API, as far as the harness asks it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{Connection, request_bytes};
use crate::program::ADMIN_KEY;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const PAGE_EVENTS: usize = 200;
const PAGES_MAX: usize = 100_000;

/// Speaks as the admin, on a new connection each time: a server that was restarted in between is no obstacle.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
}

/// A subscription that was just made.
#[derive(Debug)]
pub struct Subscription {
    pub id: String,
    /// Its signing secret, which no later answer shows.
    pub secret: String,
}

/// What the program says about a subscription's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub total: u64,
    pub successful: u64,
    pub failed: u64,
}

impl Api {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Subscribes `url` to `github.*` of one user. `options` are further fields of the subscription.
    pub async fn subscribe(&self, user: &str, url: &str, options: Value) -> Result<Subscription> {
        let mut body = json!({ "user_id": user, "target": "push", "url": url, "event_types": ["github.*"] });
        if let (Value::Object(body), Value::Object(options)) = (&mut body, options) {
            body.extend(options);
        }
        let answer = self.call("POST", "/api/webhooks", Some(&body)).await?;
        Ok(Subscription { id: text(&answer, "id")?, secret: text(&answer, "secret")? })
    }

    /// Has a queue fed with `github.*` of one user; the subscription's id.
    pub async fn subscribe_pull(&self, user: &str, queue: &str) -> Result<String> {
        let body = json!({ "user_id": user, "target": "pull", "queue": queue, "event_types": ["github.*"] });
        text(&self.call("POST", "/api/webhooks", Some(&body)).await?, "id")
    }

    pub async fn unsubscribe(&self, subscription_id: &str) -> Result<()> {
        self.call("DELETE", &format!("/api/webhooks/{subscription_id}"), None).await?;
        Ok(())
    }

    pub async fn statistics(&self, subscription_id: &str) -> Result<Statistics> {
        let answer = self.call("GET", &format!("/api/webhooks/{subscription_id}"), None).await?;
        let count = |name: &str| {
            answer["statistics"][name].as_u64().with_context(|| format!("no statistics.{name} in {answer}"))
        };
        Ok(Statistics { total: count("total")?, successful: count("successful")?, failed: count("failed")? })
    }

    /// Some of the deliveries in this status, as their ids; empty when there are none.
    pub async fn deliveries_in(&self, status: &str, limit: usize) -> Result<Vec<String>> {
        let answer =
            self.call("GET", &format!("/api/deliveries?status={status}&limit={limit}"), None).await?;
        rows(&answer)?.iter().map(|row| text(row, "id")).collect()
    }

    /// The ids of all events of one user and type, page by page.
    pub async fn event_ids(&self, user: &str, event_type: &str) -> Result<Vec<String>> {
        self.ids(format!("/api/events?user_id={user}&type={event_type}&limit={PAGE_EVENTS}")).await
    }

    /// Whether there is an event of that type.
    pub async fn has_events(&self, event_type: &str) -> Result<bool> {
        let answer = self.call("GET", &format!("/api/events?type={event_type}&limit=1"), None).await?;
        Ok(!rows(&answer)?.is_empty())
    }

    /// How many rejections the program keeps.
    pub async fn rejection_count(&self) -> Result<usize> {
        Ok(self.ids(format!("/api/rejections?limit={PAGE_EVENTS}")).await?.len())
    }

    /// The ids of a whole list, page by page.
    async fn ids(&self, mut path: String) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let first = path.len();
        for _ in 0..PAGES_MAX {
            let answer = self.call("GET", &path, None).await?;
            for row in rows(&answer)? {
                ids.push(text(row, "id")?);
            }
            let Some(cursor) = answer["next_cursor"].as_str() else { return Ok(ids) };
            path.truncate(first);
            path.push_str("&cursor=");
            path.extend(url::form_urlencoded::byte_serialize(cursor.as_bytes()));
        }
        bail!("more than {PAGES_MAX} pages")
    }

    /// SQL statements that the store has run so far, or `None` where the program does not count them.
    pub async fn statements_total(&self) -> Result<Option<f64>> {
        let (status, body) = self.request("GET", "/metrics", None).await?;
        ensure!(status == 200, "GET /metrics answered {status}");
        Ok(sum_of_samples(&String::from_utf8_lossy(&body), "waystation_store_statements_total"))
    }

    /// How often one statement has run so far.
    pub async fn statements(&self, name: &str) -> Result<f64> {
        let (status, body) = self.request("GET", "/metrics", None).await?;
        ensure!(status == 200, "GET /metrics answered {status}");
        let sample = format!("waystation_store_statements_total{{statement=\"{name}\"}}");
        Ok(sum_of_samples(&String::from_utf8_lossy(&body), &sample).unwrap_or(0.0))
    }

    /// Publishes one event or a batch.
    pub async fn publish(&self, body: &Value) -> Result<()> {
        self.call("POST", "/api/events", Some(body)).await.map(drop)
    }

    async fn call(&self, method: &str, path: &str, json: Option<&Value>) -> Result<Value> {
        let (status, body) = self.request(method, path, json).await?;
        let shown = String::from_utf8_lossy(&body);
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {shown}");
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("{method} {path} answered {shown}"))
    }

    async fn request(&self, method: &str, path: &str, json: Option<&Value>) -> Result<(u16, Vec<u8>)> {
        let json = json.map(|json| json.to_string().into_bytes());
        let request = request_bytes(method, path, self.address, ADMIN_KEY, json.as_deref());
        let exchange = async {
            let mut connection = Connection::open(self.address).await?;
            let response = connection.exchange(&request).await?;
            anyhow::Ok((response.status, response.body.to_vec()))
        };
        let answered = timeout(ANSWER_WITHIN, exchange).await;
        answered.with_context(|| format!("{method} {path} had no answer within {ANSWER_WITHIN:?}"))?
    }
}

fn text(answer: &Value, name: &str) -> Result<String> {
    Ok(answer[name].as_str().with_context(|| format!("no {name} in {answer}"))?.to_owned())
}

fn rows(answer: &Value) -> Result<&Vec<Value>> {
    answer["data"].as_array().with_context(|| format!("no data in {answer}"))
}

/// Adds up one metric over its labels, in Prometheus' text format.
fn sum_of_samples(exposition: &str, name: &str) -> Option<f64> {
    let samples = exposition.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        // The name must end here, and a sample's value is what follows its labels.
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    samples.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let exposition =
            "# HELP a_total help\na_total{s=\"x\"} 3\na_total{s=\"y}\"} 4.5\na_total_other 9\nb 1\n";
        assert_eq!(sum_of_samples(exposition, "a_total"), Some(7.5));
        assert_eq!(sum_of_samples(exposition, "b"), Some(1.0));
        assert_eq!(sum_of_samples(exposition, "c"), None);
    }
}
