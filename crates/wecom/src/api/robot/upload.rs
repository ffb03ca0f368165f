//! POST `/cgi-bin/webhook/upload_media`: a file for one robot, made by [`crate::RobotClient::upload`].
//! <https://developer.work.weixin.qq.com/document/path/99110>

/// What a robot can upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotUploadKind {
    /// Any file up to 20 MB.
    File,
    /// An AMR clip up to 2 MB and 60 s.
    Voice,
}

impl RobotUploadKind {
    /// Returns the `type` of the query.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Voice => "voice",
        }
    }
}
