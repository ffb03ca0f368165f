//! The API about itself: `/openapi.json` and `/docs`.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use super::{Api, v1};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hongyan",
        description = "Takes a message once and delivers it durably through WeCom (企业微信).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&BearerKey),
    security(("key" = []))
)]
struct Description;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// Returns the description of the API: OpenAPI 3.1.
pub fn description() -> utoipa::openapi::OpenApi {
    OpenApiRouter::<Arc<Api>>::with_openapi(Description::openapi()).merge(v1::described()).split_for_parts().1
}

pub(super) fn router() -> Router<Arc<Api>> {
    // Made when it is asked for: it is large, and rarely is.
    let described = get(async || Json(description()));
    let docs = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    Router::from(docs).route("/openapi.json", described)
}
