//! Every path that the SDK names is one that the simulator knows.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{plain_client, start};

/// Every `"/cgi-bin/…"` in the SDK's source.
fn paths_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths_of(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let named = source.split("\"/cgi-bin/").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(named.filter(|path| !path.contains([' ', '?'])).map(|path| format!("/cgi-bin/{path}")));
        }
    }
}

#[tokio::test]
async fn the_simulator_knows_every_path_of_the_sdk() {
    let simulator = start().await;
    let mut paths = BTreeSet::new();
    paths_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wecom/src"), &mut paths);
    assert!(paths.len() > 70, "{} paths found", paths.len());
    for path in paths {
        let status = plain_client().post(format!("{}{path}", simulator.origin)).send().await.unwrap().status();
        assert_eq!(status, 200, "{path}");
    }
    let unknown = plain_client().get(format!("{}/cgi-bin/nothing", simulator.origin)).send().await.unwrap();
    assert_eq!((unknown.status().as_u16(), unknown.bytes().await.unwrap().len()), (404, 0));
}
