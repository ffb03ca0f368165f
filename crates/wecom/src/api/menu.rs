//! An application's menu. <https://developer.work.weixin.qq.com/document/path/90230>

mod create;
mod delete;
mod get;

pub use create::{CreateMenu, MenuButton};
pub use delete::DeleteMenu;
pub use get::{GetMenu, Menu};
