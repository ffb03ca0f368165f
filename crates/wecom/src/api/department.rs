//! Departments (部门). <https://developer.work.weixin.qq.com/document/path/90204>

mod create;
mod delete;
mod get;
mod list;
mod simplelist;
mod update;

pub use create::{CreateDepartment, DepartmentCreated};
pub use delete::DeleteDepartment;
pub use get::{DepartmentAnswer, GetDepartment};
pub use list::{Department, Departments, ListDepartments};
pub use simplelist::{DepartmentIds, DepartmentInShort, ListDepartmentIds};
pub use update::UpdateDepartment;
