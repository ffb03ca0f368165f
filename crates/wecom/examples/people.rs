//! Who is in the company: by mobile number, by department, and all userids as a stream.
//!
//! `cargo run -p hongyan-wecom --example people -- http://127.0.0.1:6880` against a running `wecom-sim`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use futures::TryStreamExt as _;
use wecom::api::user::{GetUser, GetUserIdByMobile, ListUserIds, ListUsers};
use wecom::{Client, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6880".to_owned())).await
}

pub(crate) async fn run(origin: &str) -> Result<(), Box<dyn Error>> {
    let transport = Transport::builder().origin(origin).build()?;
    let app = Client::builder(transport.clone(), "wwdemo0000000001", "demo-secret").build();
    let found = app.send(GetUserIdByMobile { mobile: "13800138000".into() }).await?;
    let member = app.send(GetUser { userid: found.userid }).await?;
    println!("{} is {} in {:?}", member.userid, member.name, member.department);
    println!("{} members in department 2", app.send(ListUsers { department_id: 2 }).await?.userlist.len());

    // All userids are for contact sync (通讯录同步) only.
    let contacts = Client::builder(transport, "wwdemo0000000001", "demo-contacts-secret").build();
    let mut rows = std::pin::pin!(ListUserIds::stream(contacts));
    while let Some(row) = rows.try_next().await? {
        println!("{} in {}", row.userid, row.department);
    }
    Ok(())
}
