//! Fields that WeCom does not know, and overlooks: left out, one by one, as they are refused.
//!
//! At `/v1` such a field is a slip, and is told. Here it comes from a client that has worked for years, and still sends
//! what WeCom's documents once named.

use domain::{Content, InvalidSubmission, Submission, SubmissionContent};
use pipeline::AcceptError;
use serde_json::Value;

/// How many fields of a message are left out; one with more is none of WeCom's.
pub(super) const MOST: usize = 100;

/// The submission without the field for which it was refused.
pub(super) fn without(submission: &Submission, refused: &AcceptError) -> Option<Submission> {
    let AcceptError::Invalid(InvalidSubmission(violation)) = refused else { return None };
    let SubmissionContent::Ready(content) = &submission.content else { return None };
    let content = (violation.code == "unknown_field").then(|| leave_out(content, &violation.field))??;
    Some(Submission { content: SubmissionContent::Ready(content), ..submission.clone() })
}

/// The content without what is at a path such as `news.articles[0].mark`.
fn leave_out(content: &Content, path: &str) -> Option<Content> {
    let mut object: Value = serde_json::from_str(content.object()).ok()?;
    let inside = path.strip_prefix(content.kind().name())?.strip_prefix('.')?;
    let (parent, name) = inside.rsplit_once('.').unwrap_or(("", inside));
    let mut steps = parent.split(['.', '[']).filter(|step| !step.is_empty());
    let place = steps.try_fold(&mut object, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get_mut(index.parse::<usize>().ok()?),
        None => value.get_mut(step),
    })?;
    place.as_object_mut()?.remove(name)?;
    Some(Content::new(content.kind(), object.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ContentKind;
    use serde_json::json;

    #[test]
    fn a_field_is_left_out_at_any_depth_and_nothing_else() {
        let news = json!({ "articles": [{ "title": "a" }, { "title": "b", "mark": 1 }], "mark": 2 });
        let content = Content::new(ContentKind::News, news.to_string());
        for (path, left) in [
            ("news.mark", json!({ "articles": [{ "title": "a" }, { "title": "b", "mark": 1 }] })),
            ("news.articles[1].mark", json!({ "articles": [{ "title": "a" }, { "title": "b" }], "mark": 2 })),
        ] {
            let object = leave_out(&content, path).map(|content| content.object().to_owned());
            assert_eq!(object, Some(left.to_string()), "{path}");
        }
        for path in ["news", "news.", "text.mark", "news.articles[0].mark", "news.articles[7].mark", "news.none.mark"] {
            assert_eq!(leave_out(&content, path), None, "{path}");
        }
    }
}
