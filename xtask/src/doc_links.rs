//! Links: every endpoint names its official page in one form; links between documents lead to files that exist; every
//! error code that the API answers has its page.

use anyhow::bail;

use crate::run::{files, read, root};

const OFFICIAL: &str = "https://developer.work.weixin.qq.com/document/path/";

pub(crate) fn check() -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for path in files(&[".rs"])? {
        let text = read(&path)?;
        let in_sdk = path.starts_with("crates/wecom/src/api/");
        let is_endpoint = text.contains("impl Endpoint for") || text.contains("\nendpoint!(");
        let names_page = text.lines().any(|line| line.starts_with("//! <") && line.contains(OFFICIAL))
            || text.contains(&format!(". <{OFFICIAL}"));
        if in_sdk && (is_endpoint || text.contains("\"/cgi-bin/")) && !names_page {
            wrong.push(format!("{path}: an endpoint without its official page"));
        }
        for (number, line) in text.lines().enumerate() {
            let other_form = line.contains("developer.work.weixin.qq.com") && !line.contains(OFFICIAL);
            if other_form && !path.ends_with("doc_links.rs") {
                wrong.push(format!("{path}:{}: an official link in another form", number + 1));
            }
        }
    }
    for path in files(&[".md"])? {
        wrong.extend(broken_links(&path, &read(&path)?));
    }
    wrong.extend(codes_without_page()?);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"));
}

/// Relative links of a document that lead nowhere.
fn broken_links(path: &str, text: &str) -> Vec<String> {
    let folder = root().join(path).parent().map(std::path::Path::to_owned).unwrap_or_default();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .filter(|target| !folder.join(target).exists())
        .map(|target| format!("{path}: a link to {target}, which is not there"))
        .collect()
}

/// Codes that the API answers and that have no page in docs/errors.
fn codes_without_page() -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    for path in files(&[".rs"])?
        .iter()
        .filter(|path| path.starts_with("crates/ingress/src/http") || path.starts_with("crates/pipeline/src"))
    {
        let text = read(path)?;
        for marker in ["ApiError::new(StatusCode::", "Violation::new("] {
            for rest in text.split(marker).skip(1) {
                let code = rest.split('"').nth(1).unwrap_or_default();
                let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                if is_code && !root().join(format!("docs/errors/{code}.md")).exists() {
                    missing.push(format!("{path}: the error code {code} has no page in docs/errors"));
                }
            }
        }
    }
    Ok(missing)
}
