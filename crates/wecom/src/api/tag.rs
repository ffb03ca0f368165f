//! Tags (标签). <https://developer.work.weixin.qq.com/document/path/90209>

mod addtagusers;
mod create;
mod delete;
mod deltagusers;
mod get;
mod list;
mod update;

pub use addtagusers::{AddTagUsers, TagChanged};
pub use create::{CreateTag, TagCreated};
pub use delete::DeleteTag;
pub use deltagusers::RemoveTagUsers;
pub use get::{GetTag, TagMembers, TagUser};
pub use list::{ListTags, Tag, Tags};
pub use update::UpdateTag;
