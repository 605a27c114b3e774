//! The generated stub, asked and answered in protobuf's JSON, as far as the cases need it.

use penchant::pb::penchant::v1 as pb;
use serde_json::{Value, json};
use tonic::Status;

use crate::Driver;
use crate::answers::Failure;
use crate::requests::Request;

impl Driver {
    pub(crate) async fn raw(&mut self, asked: Request) -> Result<Value, Failure> {
        let wanted = request_of(asked.recommend.as_ref().unwrap_or(&Value::Null));
        let found = self.client(&asked)?.raw().recommendations.recommend(wanted).await;
        let found = found.map_err(|status: Status| Failure::driver(status))?.into_inner();
        Ok(json!({ "response": response_of(&found) }))
    }
}

fn request_of(told: &Value) -> pb::RecommendRequest {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let options = &told["options"];
    let flag = |name: &str| options[name].as_bool().unwrap_or_default();
    pb::RecommendRequest {
        user_id: text("userId"),
        surface: text("surface"),
        min_freshness: text("minFreshness"),
        options: Some(pb::ListOptions {
            page_size: options["pageSize"].as_u64().unwrap_or_default() as u32,
            include_items: flag("includeItems"),
            explain: flag("explain"),
            ..pb::ListOptions::default()
        }),
    }
}

fn response_of(found: &pb::RecommendResponse) -> Value {
    let recommendation_of = |one: &pb::Recommendation| json!({ "itemId": one.item_id, "score": one.score });
    json!({
        "recommendations": found.recommendations.iter().map(recommendation_of).collect::<Vec<_>>(),
        "attributionToken": found.attribution_token,
        "profile": found.profile,
        "model": found.model,
    })
}
