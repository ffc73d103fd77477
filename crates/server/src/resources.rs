//! What describes itself: handlers with the path that they say they are at, and what the document says of them.
//!
//! They are served at once, and described when somebody asks: to make the document of all takes more time and memory
//! than the rest of a start.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;

/// What is at one path.
pub(crate) struct Resource {
    pub(crate) served: fn() -> (String, MethodRouter<Arc<App>>),
    pub(crate) described: fn() -> UtoipaMethodRouter<Arc<App>>,
}

/// What is at many.
pub(crate) struct Resources(Vec<Resource>);

/// The resource that these handlers of one path are, each written `module::handler`.
macro_rules! routes {
    ($($module:ident::$handler:ident),+ $(,)?) => {
        $crate::resources::Resource {
            served: || pastey::paste! {{
                let [path, ..] = [$(<$module::[<__path_ $handler>] as utoipa::Path>::path()),+];
                let mut methods = axum::routing::MethodRouter::new();
                $(
                    for method in <$module::[<__path_ $handler>] as utoipa::Path>::methods() {
                        let method = utoipa_axum::PathItemExt::to_method_filter(&method);
                        methods = methods.on(method, $module::$handler);
                    }
                )+
                (path, methods)
            }},
            described: || utoipa_axum::routes!($($module::$handler),+),
        }
    };
}
pub(crate) use routes;

impl Resources {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn routes(mut self, resource: Resource) -> Self {
        self.0.push(resource);
        self
    }

    pub(crate) fn merge(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// All of them, answering.
    pub(crate) fn served(&self) -> Router<Arc<App>> {
        self.0.iter().fold(Router::new(), |router, resource| {
            let (path, methods) = (resource.served)();
            router.route(&path, methods)
        })
    }

    /// `frame`, with all of them in it.
    pub(crate) fn described_in(&self, frame: Document) -> Document {
        let frame = OpenApiRouter::with_openapi(frame);
        let filled = self.0.iter().fold(frame, |filled, resource| filled.routes((resource.described)()));
        filled.into_openapi()
    }
}
