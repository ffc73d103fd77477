//! The fields that say which events are wanted for what they hold, what is sent for them, and what waits for what.

use std::collections::BTreeMap;

use domain::filter::Filter;
use domain::headers::Headers;
use domain::path::Path;
use domain::subscription::{Source, Terms};
use domain::template::Template;
use serde_json::Value;
use transform::limits::SOURCE_BYTES_MAX;

use super::fields::{Fields, Said};
use crate::app::App;

/// Takes `filter`, `template`, `transform`, `headers` and `ordering_key`.
pub(crate) async fn take_shape(app: &App, fields: &mut Fields, terms: &mut Terms) {
    take_filter(fields).change(&mut terms.filter, None);
    take_template(fields).change(&mut terms.template, None);
    take_transform(app, fields).await.change(&mut terms.transform, None);
    take_headers(fields).change(&mut terms.headers, Headers::default());
    take_ordering_key(fields).change(&mut terms.ordering_key, None);
    if terms.transform.is_some() && terms.template.is_some() {
        fields.refuse("transform", "takes the place of a template: have one of them, and null for the other");
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
async fn take_transform(app: &App, fields: &mut Fields) -> Said<Option<Source>> {
    let source = match fields.take_text("transform", SOURCE_BYTES_MAX) {
        Said::Nothing => return Said::Nothing,
        Said::Null => return Said::Null,
        Said::Value(source) => source,
    };
    match app.engine.transforms.compile(source.clone()).await {
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
