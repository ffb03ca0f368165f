//! How an application shows on the workbench (工作台). <https://developer.work.weixin.qq.com/document/path/92535>

mod batch_set_data;
mod get_template;
mod set_data;
mod set_template;

pub use batch_set_data::SetWorkbenchDataOfUsers;
pub use get_template::{GetWorkbenchTemplate, WorkbenchTemplate};
pub use set_data::SetWorkbenchData;
pub use set_template::SetWorkbenchTemplate;

use serde::{Deserialize, Serialize};

/// What is shown: `type` and, under the same name, its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbenchData {
    /// `normal`, `keydata`, `image`, `list` or `webview`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keydata: Option<KeyData>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<WorkbenchImage>,
    /// Lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<WorkbenchList>,
    /// A page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webview: Option<WorkbenchWebview>,
}

impl WorkbenchData {
    /// Shows the application's picture, as without a template.
    pub fn normal() -> Self {
        Self { kind: "normal".to_owned(), ..Self::default() }
    }

    /// Shows up to 4 figures.
    pub fn keydata(items: Vec<KeyDataItem>) -> Self {
        Self { kind: "keydata".to_owned(), keydata: Some(KeyData { items }), ..Self::default() }
    }

    /// Shows a picture.
    pub fn image(image: WorkbenchImage) -> Self {
        Self { kind: "image".to_owned(), image: Some(image), ..Self::default() }
    }

    /// Shows up to 3 lines.
    pub fn list(items: Vec<WorkbenchListItem>) -> Self {
        Self { kind: "list".to_owned(), list: Some(WorkbenchList { items }), ..Self::default() }
    }

    /// Shows a page.
    pub fn webview(webview: WorkbenchWebview) -> Self {
        Self { kind: "webview".to_owned(), webview: Some(webview), ..Self::default() }
    }
}

/// Figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyData {
    /// The figures.
    #[serde(default)]
    pub items: Vec<KeyDataItem>,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDataItem {
    /// What it is called.
    #[serde(default)]
    pub key: String,
    /// The figure.
    #[serde(default)]
    pub data: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_url: Option<String>,
    /// The page of a mini-program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbenchImage {
    /// Where it is.
    #[serde(default)]
    pub url: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_url: Option<String>,
    /// The page of a mini-program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
}

/// Lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbenchList {
    /// The lines.
    #[serde(default)]
    pub items: Vec<WorkbenchListItem>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbenchListItem {
    /// The text.
    #[serde(default)]
    pub title: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_url: Option<String>,
    /// The page of a mini-program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkbenchWebview {
    /// Where it is.
    #[serde(default)]
    pub url: String,
    /// Where a tap leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_url: Option<String>,
    /// The page of a mini-program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
    /// `single_row` or `double_row`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<String>,
    /// Whether the application's name is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hide_title: Option<bool>,
    /// Whether taps reach the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_webview_click: Option<bool>,
}
