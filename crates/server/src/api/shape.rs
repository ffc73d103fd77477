//! The fields that say which events are wanted for what they hold, what is sent for them, and what waits for what.

use std::collections::BTreeMap;

use domain::UserId;
use domain::batch::Batch;
use domain::filter::Filter;
use domain::headers::Headers;
use domain::limits::{BATCH_EVENTS_MAX, BATCH_WAIT_MS_MAX};
use domain::path::Path;
use domain::subscription::{Source, Target, Terms};
use domain::template::Template;
use serde_json::Value;
use transform::limits::SOURCE_BYTES_MAX;

use super::fields::{Fields, Said};
use crate::app::App;

/// Takes `filter`, `template`, `transform` and `headers`.
pub(crate) async fn take_shape(app: &App, user: Option<&UserId>, fields: &mut Fields, terms: &mut Terms) {
    take_filter(fields).change(&mut terms.filter, None);
    take_template(fields).change(&mut terms.template, None);
    take_transform(app, user, fields).await.change(&mut terms.transform, None);
    take_headers(fields).change(&mut terms.headers, Headers::default());
    if terms.transform.is_some() && terms.template.is_some() {
        fields.refuse("transform", "takes the place of a template: have one of them, and null for the other");
    }
}

/// Takes `ordering_key` and `batch`, once the rest is known.
pub(crate) fn take_order(fields: &mut Fields, target: &Target, terms: &mut Terms) {
    take_ordering_key(fields).change(&mut terms.ordering_key, None);
    take_batch(fields).change(&mut terms.batch, None);
    if terms.batch.is_some() && (terms.transform.is_some() || terms.template.is_some()) {
        fields.refuse("batch", "holds events as they are: it goes with neither a transform nor a template");
    }
    if terms.batch.is_some() && matches!(target, Target::Pull { .. }) {
        fields.refuse("batch", "is one request: workers of a queue lease as many at once as they ask for");
    }
}

fn take_filter(fields: &mut Fields) -> Said<Option<Value>> {
    fields.take("filter", "an object of paths and conditions", |source: Value| {
        Filter::parse(&source).map(|_| Some(source))
    })
}

fn take_template(fields: &mut Fields) -> Said<Option<Template>> {
    let names: Vec<_> = Template::ALL.iter().map(|template| format!("{:?}", template.as_str())).collect();
    fields
        .take("template", &format!("one of {}", names.join(", ")), |template| Ok::<_, String>(Some(template)))
}

/// Takes a source that compiles.
async fn take_transform(app: &App, user: Option<&UserId>, fields: &mut Fields) -> Said<Option<Source>> {
    let source = match fields.take_text("transform", SOURCE_BYTES_MAX) {
        Said::Nothing => return Said::Nothing,
        Said::Null => return Said::Null,
        Said::Value(source) => source,
    };
    match app.engine.transforms.compile(user, source.clone()).await {
        Ok(_) => Said::Value(Some(Source(source))),
        Err(wrong) => {
            fields.refuse("transform", wrong.to_string());
            Said::Nothing
        }
    }
}

fn take_headers(fields: &mut Fields) -> Said<Headers> {
    let expected = "an object with a text for each name";
    fields.take("headers", expected, |headers: BTreeMap<String, String>| {
        Headers::new(headers).map_err(|(name, bad)| format!("{name:?}: {bad}"))
    })
}

fn take_ordering_key(fields: &mut Fields) -> Said<Option<Path>> {
    fields.take("ordering_key", "a path, such as data.customer.id", |path: String| {
        path.parse::<Path>().map(Some)
    })
}

fn take_batch(fields: &mut Fields) -> Said<Option<Batch>> {
    let expected = format!(
        "an object with max_events, 1 to {BATCH_EVENTS_MAX}, and max_wait_ms, 0 to {BATCH_WAIT_MS_MAX}"
    );
    fields.take("batch", &expected, |batch: Batch| {
        let is_within =
            (1..=BATCH_EVENTS_MAX).contains(&batch.max_events) && batch.max_wait_ms <= BATCH_WAIT_MS_MAX;
        if is_within { Ok(Some(batch)) } else { Err(format!("must be {expected}")) }
    })
}
