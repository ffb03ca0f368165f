//! POST /cgi-bin/message/update_template_card: a card that was sent, once somebody acted on it or by the sender.
//! <https://developer.work.weixin.qq.com/document/path/94888>

use serde::{Deserialize, Serialize};

use super::TemplateCard;
use crate::AgentId;
use crate::tolerant::id_list;

/// Updates a card that can call back, by a code that is good once: from sending it, or from a click.
///
/// Say for whom ([`Self::for_users`] and its like), then what stands in the card's place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpdateTemplateCard {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    userids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partyids: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tagids: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    atall: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agentid: Option<AgentId>,
    response_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_id_trans: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    button: Option<ReplacedButton>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_card: Option<Box<ReplacedCard>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ReplacedButton {
    replace_name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ReplacedCard {
    #[serde(flatten)]
    card: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replace_text: Option<String>,
}

impl UpdateTemplateCard {
    /// Turns the card's button into a disabled one with this text.
    pub fn button(response_code: impl Into<String>, replace_name: impl Into<String>) -> Self {
        Self {
            button: Some(ReplacedButton { replace_name: replace_name.into() }),
            ..Self::with_code(response_code.into())
        }
    }

    /// Puts another card, of any kind, in its place; `replace_text` stands where its buttons were.
    ///
    /// `disable` locks what can be selected. The card's `task_id` is left out: WeCom keeps the old one.
    pub fn card(
        response_code: impl Into<String>,
        card: &TemplateCard,
        replace_text: Option<String>,
        disable: bool,
    ) -> Self {
        let mut fields = match serde_json::to_value(card) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        fields.remove("task_id");
        if disable {
            let lists = fields.get_mut("select_list").and_then(|list| list.as_array_mut()).into_iter().flatten();
            lists.for_each(|select| select["disable"] = true.into());
            if let Some(checkbox) = fields.get_mut("checkbox") {
                checkbox["disable"] = true.into();
            }
        }
        let card = ReplacedCard { card: fields, replace_text };
        Self { template_card: Some(Box::new(card)), ..Self::with_code(response_code.into()) }
    }

    fn with_code(response_code: String) -> Self {
        Self {
            userids: Vec::new(),
            partyids: Vec::new(),
            tagids: Vec::new(),
            atall: None,
            agentid: None,
            response_code,
            enable_id_trans: None,
            button: None,
            template_card: None,
        }
    }

    /// Updates the copies of these members, at most 1000.
    #[must_use]
    pub fn for_users(mut self, userids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.userids = userids.into_iter().map(Into::into).collect();
        self
    }

    /// Updates the copies of these departments, at most 100.
    #[must_use]
    pub fn for_parties(mut self, partyids: impl IntoIterator<Item = u64>) -> Self {
        self.partyids = partyids.into_iter().collect();
        self
    }

    /// Updates the copies of these tags, at most 100.
    #[must_use]
    pub fn for_tags(mut self, tagids: impl IntoIterator<Item = u64>) -> Self {
        self.tagids = tagids.into_iter().collect();
        self
    }

    /// Updates everybody's copy.
    #[must_use]
    pub fn for_all(mut self) -> Self {
        self.atall = Some(1);
        self
    }

    /// Updates as this application, which must have sent the card; default: the client's.
    #[must_use]
    pub fn agent(mut self, agent: AgentId) -> Self {
        self.agentid = Some(agent);
        self
    }

    /// Has `$userName=ID$` and the like replaced by WeCom.
    #[must_use]
    pub fn id_translation(mut self, enabled: bool) -> Self {
        self.enable_id_trans = Some(u8::from(enabled));
        self
    }
}

/// The card is updated, for all but these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// Members out of the visible range, or who never had the card; in lower case.
    #[serde(default, deserialize_with = "id_list")]
    pub invaliduser: Vec<String>,
}

endpoint!(UpdateTemplateCard: Post "/cgi-bin/message/update_template_card" => Updated, "https://developer.work.weixin.qq.com/document/path/94888", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;
    use crate::api::message::{CardKind, CardOption, Checkbox};

    #[test]
    fn the_official_example_goes_both_ways() {
        let update = UpdateTemplateCard::button("RESPONSE_CODE", "已处理")
            .for_users(["userid1", "userid2"])
            .for_parties([2, 3])
            .for_tags([44, 55])
            .agent(AgentId(1));
        fixture::sends(&update, "message/update_template_card");
        let answer = fixture::answers::<UpdateTemplateCard>("message/update_template_card");
        assert_eq!(answer.invaliduser, ["userid1", "userid2"]);
    }

    #[test]
    fn a_replaced_card_has_no_task_id_and_locks_its_selectors() {
        let mut card = TemplateCard::new(CardKind::VoteInteraction, "t");
        card.task_id = Some("task".into());
        let option = CardOption { id: "o".into(), text: "a".into(), is_checked: None };
        card.checkbox = Some(Checkbox { question_key: "q".into(), mode: 0, option_list: vec![option] });
        let update = UpdateTemplateCard::card("CODE", &card, Some("done".into()), true).for_all();
        let json = serde_json::to_value(&update).unwrap();
        assert_eq!(json["template_card"]["checkbox"]["disable"], true);
        assert_eq!((&json["template_card"]["replace_text"], &json["atall"]), (&"done".into(), &1.into()));
        assert!(json["template_card"].get("task_id").is_none());
    }
}
