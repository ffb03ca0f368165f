//! POST /cgi-bin/user/list_id: all userids, a page at a time.
//! <https://developer.work.weixin.qq.com/document/path/96067>

use serde::{Deserialize, Serialize};

use crate::{Client, Error};
use futures::stream::{self, Stream, TryStreamExt as _};

/// Asks for a page of userids, one row a member and department. Needs the contact-sync secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListUserIds {
    /// Where the last page ended; empty: from the start.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cursor: String,
    /// 1 to 10 000 rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIdPage {
    /// For the next page; empty: there is none.
    #[serde(default)]
    pub next_cursor: String,
    /// The rows.
    #[serde(default)]
    pub dept_user: Vec<DepartmentUser>,
}

/// A member in a department; members of several stand here several times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentUser {
    /// The member.
    pub userid: String,
    /// The department.
    pub department: u64,
}

impl ListUserIds {
    /// Asks for all pages, one after the other, as a stream of rows.
    ///
    /// ```no_run
    /// # async fn example(client: wecom::Client) -> Result<(), wecom::Error> {
    /// use futures::TryStreamExt as _;
    ///
    /// let rows: Vec<_> = wecom::api::user::ListUserIds::stream(client).try_collect().await?;
    /// # Ok(()) }
    /// ```
    pub fn stream(client: Client) -> impl Stream<Item = Result<DepartmentUser, Error>> + Send {
        stream::try_unfold((client, Some(String::new())), |(client, cursor)| async move {
            let Some(cursor) = cursor else { return Ok(None) };
            let page = client.send(Self { cursor: cursor.clone(), limit: None }).await?;
            // A cursor that does not move would never end.
            let next = Some(page.next_cursor).filter(|next| !next.is_empty() && *next != cursor);
            Ok::<_, Error>(Some((stream::iter(page.dept_user.into_iter().map(Ok)), (client, next))))
        })
        .try_flatten()
    }
}

endpoint!(ListUserIds: Post "/cgi-bin/user/list_id" => UserIdPage, "https://developer.work.weixin.qq.com/document/path/96067", a list);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&ListUserIds { cursor: "xxxx".into(), limit: Some(10_000) }, "user/list_id");
        fixture::answers::<ListUserIds>("user/list_id");
    }
}
