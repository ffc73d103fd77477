//! Amazon's Simple Notification Service: the signature is in the body, over fields that depend on the kind of message,
//! under a certificate whose URL the message names.
//!
//! Source: the SNS developer guide, "Verifying the signatures of Amazon SNS messages", and the validators that AWS
//! publishes for JavaScript and PHP. Anybody with an account there can have a message signed, so the topic is what
//! counts: it takes the place of the secret.

use domain::Timestamp;
use serde::Deserialize;

use super::digest::{Encoding, Hash, is_same};
use super::key::{Asymmetric, PublicKey};
use super::request::Scope;
use super::{Fetch, Keys, Refusal, UNUSABLE_KEY};

/// Where certificates, and the links that confirm a subscription, may be. `*` stands for one label.
pub(super) const HOSTS: [&str; 2] = ["sns.*.amazonaws.com", "sns.*.amazonaws.com.cn"];

/// A message's envelope. Its names are Amazon's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "Type")]
    kind: Kind,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL", alias = "SigningCertUrl")]
    signing_cert_url: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

/// Checks a message. Its timestamp is that of publishing and stays the same on each retry, which may come weeks later:
/// it is not held against now.
pub(super) fn check(scope: &mut Scope<'_>, keys: &Keys<'_>) -> Result<Option<Timestamp>, Refusal> {
    let message: Message =
        serde_json::from_slice(&scope.request.body).map_err(|_| Refusal::UnreadableBody)?;
    let is_ours = keys.secrets()?.any(|topic| is_same(topic.as_bytes(), message.topic_arn.as_bytes()));
    if !is_ours {
        return Err(Refusal::BadToken);
    }
    let hash = match &*message.signature_version {
        "1" => Hash::Sha1,
        "2" => Hash::Sha256,
        _ => return Err(Refusal::BadSignature),
    };
    let hosts = HOSTS.map(str::to_owned);
    let certificate = keys.found(Fetch::certificate(&message.signing_cert_url, &hosts)?)?;
    let algorithm = Asymmetric::Rsa(hash);
    let key = PublicKey::read_all(algorithm, certificate).pop().ok_or(UNUSABLE_KEY)?;
    let signature = Encoding::Base64.decode(&message.signature).ok_or(Refusal::BadSignature)?;
    if !key.verify(algorithm, message.signed().as_bytes(), &signature) {
        return Err(Refusal::BadSignature);
    }
    let published_at = Timestamp::parse(&message.timestamp).map_err(|_| Refusal::NoTimestamp)?;
    scope.id = Some(message.message_id);
    scope.ts = Some(message.timestamp);
    Ok(Some(published_at))
}

impl Message {
    /// The signed text: names and values, a line each, in the order of the names.
    fn signed(&self) -> String {
        let is_notification = self.kind == Kind::Notification;
        let kind = match self.kind {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        };
        let only_if = |wanted: bool, text: &Option<String>| text.clone().filter(|_| wanted);
        let fields = [
            ("Message", Some(self.message.clone())),
            ("MessageId", Some(self.message_id.clone())),
            ("Subject", only_if(is_notification, &self.subject)),
            ("SubscribeURL", only_if(!is_notification, &self.subscribe_url)),
            ("Timestamp", Some(self.timestamp.clone())),
            ("Token", only_if(!is_notification, &self.token)),
            ("TopicArn", Some(self.topic_arn.clone())),
            ("Type", Some(kind.to_owned())),
        ];
        fields.iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value.as_ref()?))).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::RawRequest;
    use crate::scheme::tests::{NOW, RSA_CERTIFICATE, URL};
    use crate::scheme::{Fetched, sender};

    pub(in crate::scheme) const TOPIC: &str = "arn:aws:sns:us-west-2:123456789012:MyTopic";

    /// Signed with `openssl dgst -sign` over the lines that the developer guide lists.
    pub(in crate::scheme) const SNS: [(&str, &str); 2] = [
        (
            "1",
            "jptFYXKmfdAYQRxQCfyQhSmjze4RMPv7QdKmO3SrhPCC6Xwp+rIkZKzadXr7gqveszvMMd/WmBAR6hys7lRqzWn9whxLg7k3VjWx/Vqc9CSfyWtdkcRwFaIlgIoKgL20ydA6DJzqb9WlHTXTSdicT0nrGfOB92BuB7vE/W5X2uffIdNZP7FGCtpKyvbC3mGuBpWx/iS8v06zuv3UFir8zErxTWVGDZcXwIo3XanLsheRTJ3Zly8KhZzG+aVhOrkanJGiQHU1cOQ5JSAgMGJJBrfYrtutE5Svq9PbsuUYJ3k1+kAr25aX77g9CmhTkjwabp1GkztFiCZG5BCQ9LU3aA==",
        ),
        (
            "2",
            "YNUKDkHVA7Es1KHaM0IlUwC/xZNNx9rmxBSwg+SqaOKSZIgVJBN5zGL/HpYLrxD4uFMjqv8t2XBl6zgMj42eSlxwK5bcc0M0Wjsp91pF827+4XD7PNZQJhftuZAWrSberwiaQ0otrQjwtyq8oZmDT3Qo/nSuSlegorySngIXPQBsulL9tM3GybqIzksjy+fyOOYUJHD3RWNNi3C12NoEsREuRYpyex9Z5utuZQJPKj8wj+f+iQokcPWPMWCbh0pLxJuxivbUHiTQQ7WHu8Wn4mYB131J+sxzPIhUXWkL+P6IeLUTlSF+bKfHXN7IpsUXNaNe3Rg8WYb8aGVPLxx+5Q==",
        ),
    ];

    const SNS_CONFIRMATION: &str = "ltX9p6+9/SSAUg2UN/vAPTkowmElLkLWbNCFsXKjI4gI9d0dBqrV5jAyNo2vtj/vN7eCFzCB3kwCaB5tzZvlewbEVL/SkyTviD7aEtkYKY7E/Gsq/D24FZoaorNLTsQIdXc00184rLAdAY8hxbWhEiJbFZf0vmRHw8zWASMUydKeQp9P0VryiKPzCKF6qMv1hFokCfXNK3iMGgG6LbSFqbYSf+8K+rTdu1fFFkodwx5aYyp4r7NLp/4nqXNw819JvpqY/5Gi/WWFXuwu8m9blIbZk3edj9UzhlW7zShmyaQj6aZRwHLGs75b/siyHNG067COcWiWklYF7oljQD/cPg==";

    fn sns(body: &serde_json::Value, topic: &str) -> Result<Option<String>, Refusal> {
        let request = RawRequest::post(URL, body.to_string());
        let url = "https://sns.us-west-2.amazonaws.com/cert.pem".to_owned();
        let fetched = [Fetched { url, text: RSA_CERTIFICATE.to_owned() }];
        let secrets = [topic.to_owned()];
        let keys = Keys { secrets: &secrets, fetched: &fetched, ..Keys::default() };
        let sns = sender("aws-sns").unwrap();
        if let Some(handshake) = sns.meet(&request, &keys, NOW)? {
            return Ok(handshake.visit);
        }
        sns.verify(&request, &keys, NOW).map(|verified| verified.delivery_id())
    }

    pub(in crate::scheme) fn notification(version: &str, signature: &str) -> serde_json::Value {
        json!({
            "Type": "Notification", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": TOPIC,
            "Subject": "A subject", "Message": "Hello", "Timestamp": "2012-04-26T20:45:04.751Z",
            "SignatureVersion": version, "Signature": signature,
            "SigningCertURL": "https://sns.us-west-2.amazonaws.com/cert.pem", "UnsubscribeURL": "https://x.example",
        })
    }

    #[test]
    fn a_notification_of_our_topic_is_believed() {
        for (version, signature) in SNS {
            let good = notification(version, signature);
            assert_eq!(sns(&good, TOPIC).unwrap().unwrap(), "165545c9-2a5c-472c-8df2-7ff2be2b3b1b");
            assert_eq!(sns(&good, "arn:aws:sns:us-west-2:1:Theirs"), Err(Refusal::BadToken));
            for field in ["MessageId", "Message", "Subject", "Timestamp", "Signature"] {
                let mut body = good.clone();
                body[field] = json!(good[field].as_str().unwrap().replacen(['e', '0'], "1", 1));
                assert_eq!(sns(&body, TOPIC), Err(Refusal::BadSignature), "{field}");
            }
            let mut body = good.clone();
            body["SigningCertURL"] = json!("https://sns.us-west-2.amazonaws.com.evil.example/cert.pem");
            assert_eq!(sns(&body, TOPIC), Err(Refusal::ForeignCertificate));
            body["SigningCertURL"] = json!("https://sns.eu-west-1.amazonaws.com/cert.pem");
            assert!(matches!(sns(&body, TOPIC), Err(Refusal::KeyNeeded(_))));
            body["SignatureVersion"] = json!("3");
            assert_eq!(sns(&body, TOPIC), Err(Refusal::BadSignature));
        }
    }

    #[test]
    fn a_subscription_is_confirmed_by_a_visit_to_amazon() {
        let good = json!({
            "Type": "SubscriptionConfirmation", "MessageId": "2", "Token": "abc", "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe", "Timestamp": "2012-04-26T20:45:04.751Z",
            "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=abc",
            "SignatureVersion": "2", "Signature": SNS_CONFIRMATION,
            "SigningCertURL": "https://sns.us-west-2.amazonaws.com/cert.pem",
        });
        assert_eq!(sns(&good, TOPIC).unwrap().unwrap(), good["SubscribeURL"].as_str().unwrap());
        let mut elsewhere = good;
        elsewhere["SubscribeURL"] = json!("https://evil.example/");
        assert_eq!(sns(&elsewhere, TOPIC), Err(Refusal::BadSignature));
    }
}
