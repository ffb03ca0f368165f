//! POST /cgi-bin/menu/create: an application's menu.
//! <https://developer.work.weixin.qq.com/document/path/90231>

use serde::{Deserialize, Serialize};

use crate::AgentId;
use crate::api::Done;

/// Replaces the application's menu.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateMenu {
    /// The application; default: the client's. Stands in the query.
    #[serde(skip)]
    pub agentid: Option<AgentId>,
    /// 1 to 3 buttons.
    pub button: Vec<MenuButton>,
}

/// A button, with what its type needs, or with up to 5 buttons below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuButton {
    /// `click`, `view`, `view_miniprogram`, `scancode_push`, `scancode_waitmsg`, `pic_sysphoto`, `pic_photo_or_album`,
    /// `pic_weixin` or `location_select`; absent where buttons are below.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// At most 16 bytes, 40 below another.
    #[serde(default)]
    pub name: String,
    /// What the event names; at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For `view`; at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// For `view_miniprogram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
    /// For `view_miniprogram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// Buttons below this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_button: Vec<Self>,
}

endpoint!(CreateMenu: Post "/cgi-bin/menu/create" => Done, "https://developer.work.weixin.qq.com/document/path/90231", of agentid in query);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &CreateMenu {
                agentid: None,
                button: vec![
                    MenuButton {
                        kind: Some("click".into()),
                        name: "a".into(),
                        key: Some("K1".into()),
                        ..MenuButton::default()
                    },
                    MenuButton {
                        name: "more".into(),
                        sub_button: vec![
                            MenuButton {
                                kind: Some("view".into()),
                                name: "go".into(),
                                url: Some("https://example.com".into()),
                                ..MenuButton::default()
                            },
                            MenuButton {
                                kind: Some("view_miniprogram".into()),
                                name: "mp".into(),
                                pagepath: Some("pages/x".into()),
                                appid: Some("wx1".into()),
                                ..MenuButton::default()
                            },
                        ],
                        ..MenuButton::default()
                    },
                ],
            },
            "menu/create",
        );
        fixture::answers::<CreateMenu>("menu/create");
    }
}
