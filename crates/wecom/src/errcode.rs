//! Every errcode of WeCom that a sender may meet, with its meaning and what kind of trouble it is.
//!
//! Source: the global error codes (path/90313), classed by what a sender should do. `errmsg` is never matched on:
//! WeCom reserves the right to change it.

use std::fmt;

use serde::{Deserialize, Serialize};

use self::Class::{Config, Delay, Permanent, Reupload, Success, Token};

/// What a sender should do about an errcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing: it went well, perhaps for some recipients only.
    Success,
    /// Wait and try again.
    Delay,
    /// Fetch a new access token, once, and try again.
    Token,
    /// Upload the media again, and send with its new id.
    Reupload,
    /// Give up: this request will never be taken as it is.
    Permanent,
    /// Ask an operator: a credential, a permission or a setting is wrong.
    Config,
    /// Decide with care: the code is not in the documents.
    Unknown,
}

/// A number WeCom answers with; 0 is success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrCode(pub i64);

impl ErrCode {
    /// System busy; at most 3 retries.
    pub const BUSY: Self = Self(-1);
    /// Success.
    pub const OK: Self = Self(0);
    /// Wrong secret. Never retry in a loop: WeCom blocks the address for an hour.
    pub const INVALID_CREDENTIAL: Self = Self(40_001);
    /// Bad or expired `media_id`.
    pub const INVALID_MEDIA_ID: Self = Self(40_007);
    /// The message type does not exist.
    pub const INVALID_MESSAGE_TYPE: Self = Self(40_008);
    /// The corp id does not exist.
    pub const INVALID_CORP_ID: Self = Self(40_013);
    /// The access token is unknown, mangled or of another kind.
    pub const INVALID_ACCESS_TOKEN: Self = Self(40_014);
    /// The application id is wrong.
    pub const INVALID_AGENT_ID: Self = Self(40_056);
    /// A parameter is wrong: JSON, length, array size, recall by another application.
    pub const INVALID_PARAMETER: Self = Self(40_058);
    /// The `media_id` has expired.
    pub const MEDIA_EXPIRED: Self = Self(40_145);
    /// The access token is missing from the query.
    pub const ACCESS_TOKEN_MISSING: Self = Self(41_001);
    /// The access token has expired.
    pub const ACCESS_TOKEN_EXPIRED: Self = Self(42_001);
    /// The message is too old to recall (24 h).
    pub const RECALL_TOO_LATE: Self = Self(42_052);
    /// Over a frequency limit.
    pub const FREQUENCY_LIMIT: Self = Self(45_009);
    /// Over a concurrency limit.
    pub const CONCURRENCY_LIMIT: Self = Self(45_033);
    /// The token may not use this interface.
    pub const API_FORBIDDEN: Self = Self(48_002);
    /// The application is disabled.
    pub const APP_DISABLED: Self = Self(50_003);
    /// The caller's address is not among the trusted ones.
    pub const IP_NOT_TRUSTED: Self = Self(60_020);
    /// Every recipient is invalid or out of the visible range.
    pub const ALL_RECIPIENTS_INVALID: Self = Self(81_013);
    /// The robot's key is unknown, or the robot was removed from its group.
    pub const INVALID_WEBHOOK: Self = Self(93_000);
    /// The token belongs to another application.
    pub const OTHER_AGENT: Self = Self(301_002);

    /// Returns what a sender should do.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Unknown, |(_, class, _)| *class)
    }

    /// Returns what the code means, in English; `None` if it is not in the documents.
    pub fn meaning(self) -> Option<&'static str> {
        self.row().map(|(_, _, meaning)| *meaning)
    }

    /// Returns what a person can do about the code, where there is more to say than its meaning.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::INVALID_CREDENTIAL => {
                "check that the secret belongs to this corp id and this application, and that the application is enabled"
            }
            Self::INVALID_CORP_ID => "copy the corp id from the admin console: My Company, at the bottom",
            Self::INVALID_AGENT_ID | Self::OTHER_AGENT => "agent id and secret must belong to the same application",
            Self::IP_NOT_TRUSTED => {
                "add the address to the application's trusted IPs in the admin console; it takes about a minute to apply"
            }
            Self::FREQUENCY_LIMIT => "send less often; WeCom blocks for as long as the window of the limit",
            Self::INVALID_WEBHOOK => "check the robot's key, and that the robot is still in its group",
            Self::ALL_RECIPIENTS_INVALID => "check the ids, and that the application's visible range includes them",
            Self::API_FORBIDDEN => {
                "the token may not use this interface; a contact-sync secret cannot send, and a mini-program notice needs an application bound to a mini-program"
            }
            Self::APP_DISABLED => "enable the application in the admin console",
            Self::RECALL_TOO_LATE => "only messages of the last 24 hours can be recalled",
            Self(43_004) => "the member must follow the company in the WeChat plugin first",
            Self(43_012) => "set a callback URL for the application: cards with buttons need one",
            Self(45_031) => "reset the secret in the admin console",
            _ => return None,
        })
    }

    /// Returns every documented code with class and meaning, in ascending order.
    pub fn documented() -> impl Iterator<Item = (Self, Class, &'static str)> {
        TABLE.iter().map(|(code, class, meaning)| (Self(*code), *class, *meaning))
    }

    fn row(self) -> Option<&'static (i64, Class, &'static str)> {
        TABLE.binary_search_by_key(&self.0, |row| row.0).ok().map(|index| &TABLE[index])
    }
}

impl fmt::Display for ErrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In ascending order, for binary search.
#[rustfmt::skip]
const TABLE: &[(i64, Class, &str)] = &[
    (-1, Delay, "system busy; retry, at most 3 times"),
    (0, Success, "success; check invalid* lists and Warning: wrong json format"),
    (6000, Delay, "data version conflict, concurrent edit"),
    (40_001, Config, "bad secret (invalid credential); app stopped"),
    (40_003, Permanent, "bad userid (1–64 chars [A-Za-z0-9-_.]; must exist; left members lose theirs)"),
    (40_004, Permanent, "media type not allowed"),
    (40_005, Permanent, "bad type parameter"),
    (40_006, Permanent, "bad file size"),
    (40_007, Reupload, "bad or expired media_id, or of the wrong kind; upload again"),
    (40_008, Permanent, "bad msgtype (invalid message type)"),
    (40_009, Permanent, "image size wrong"),
    (40_011, Permanent, "video size"),
    (40_013, Config, "bad corpid (invalid corpid)"),
    (40_014, Token, "bad access_token (invalid access_token)"),
    (40_016, Permanent, "menu: 1 to 3 buttons"),
    (40_017, Permanent, "menu: bad button type"),
    (40_018, Permanent, "menu: button name longer than 16 bytes"),
    (40_019, Permanent, "menu: button key longer than 128 bytes"),
    (40_020, Permanent, "menu: button url longer than 1024 bytes"),
    (40_022, Permanent, "sub-menu: too many levels"),
    (40_023, Permanent, "sub-menu: 1 to 5 buttons"),
    (40_024, Permanent, "sub-menu: bad button type"),
    (40_025, Permanent, "sub-menu: bad button name"),
    (40_026, Permanent, "sub-menu: bad button key"),
    (40_027, Permanent, "sub-menu: button url longer than 1024 bytes"),
    (40_029, Permanent, "bad oauth code (once, 5 min)"),
    (40_031, Permanent, "bad userid list / outside visible range"),
    (40_032, Permanent, "userid list too long (send: 1000)"),
    (40_033, Permanent, "illegal characters (escaped instead of raw UTF-8)"),
    (40_035, Permanent, "bad parameter"),
    (40_039, Permanent, "url longer than 1024 bytes (textcard/news pages allow 2048: the pages disagree)"),
    (40_050, Permanent, "chatid does not exist"),
    (40_054, Permanent, "bad (sub)menu url domain"),
    (40_055, Permanent, "bad (sub)menu url domain"),
    (40_056, Config, "bad agentid (invalid agentid)"),
    (40_057, Config, "callback url bad or verification failed"),
    (40_058, Permanent, "bad parameter: JSON, length, array size, recall by another app, GET instead of POST"),
    (40_059, Permanent, "location-report flag must be 0 or 1"),
    (40_063, Permanent, "parameter empty"),
    (40_066, Permanent, "bad department list (invalid party list)"),
    (40_068, Permanent, "bad tag id"),
    (40_070, Permanent, "all tag-range nodes invalid"),
    (40_071, Permanent, "bad tag name"),
    (40_072, Permanent, "bad tag name length"),
    (40_073, Permanent, "bad openid"),
    (40_074, Permanent, "news cannot be confidential; use mpnews"),
    (40_077, Config, "suite/auth-code parameters (third-party)"),
    (40_078, Config, "suite/auth-code parameters (third-party)"),
    (40_080, Config, "suite/auth-code parameters (third-party)"),
    (40_081, Config, "suite/auth-code parameters (third-party)"),
    (40_082, Token, "bad suite_access_token"),
    (40_083, Config, "suite/auth-code parameters (third-party)"),
    (40_084, Config, "suite/auth-code parameters (third-party)"),
    (40_085, Config, "suite/auth-code parameters (third-party)"),
    (40_086, Config, "suite/auth-code parameters (third-party)"),
    (40_091, Config, "secret of another corp"),
    (40_093, Config, "bad jsapi signature"),
    (40_094, Permanent, "bad url (scheme needed)"),
    (40_106, Token, "device_access_token bad"),
    (40_123, Permanent, "broken image"),
    (40_141, Config, "corp account abnormal"),
    (40_145, Reupload, "media_id expired; upload again"),
    (40_146, Permanent, "bad Range header (16-byte alignment)"),
    (40_201, Permanent, "blocked by anti-spam"),
    (40_203, Permanent, "parameter deprecated"),
    (40_204, Permanent, "blocked by anti-spam"),
    (40_206, Permanent, "request body too large"),
    (41_001, Config, "access_token missing (access_token missing)"),
    (41_002, Config, "corpid missing"),
    (41_004, Config, "secret missing"),
    (41_006, Permanent, "media_id missing"),
    (41_008, Permanent, "auth code missing"),
    (41_009, Permanent, "userid missing"),
    (41_010, Permanent, "url missing"),
    (41_011, Permanent, "agentid missing"),
    (41_016, Permanent, "title missing (news)"),
    (41_017, Permanent, "tagid missing"),
    (41_019, Permanent, "department missing"),
    (41_021, Config, "suite_id missing"),
    (41_022, Config, "suite_access_token missing"),
    (41_023, Config, "suite_ticket missing"),
    (41_024, Config, "secret missing"),
    (41_025, Config, "permanent_code missing"),
    (41_033, Permanent, "description missing (textcard)"),
    (42_001, Token, "token expired (access_token expired)"),
    (42_003, Permanent, "code expired"),
    (42_007, Token, "pre_auth_code expired"),
    (42_009, Token, "suite_access_token expired"),
    (42_012, Config, "jsapi ticket expired"),
    (42_014, Permanent, "card task_id illegal"),
    (42_015, Permanent, "updating app ≠ sending app"),
    (42_016, Permanent, "task_id to update does not exist"),
    (42_017, Permanent, "button key absent in the card"),
    (42_018, Permanent, "card button key illegal"),
    (42_019, Permanent, "card button key missing"),
    (42_020, Permanent, "button name missing"),
    (42_021, Token, "device_access_token expired"),
    (42_022, Permanent, "code already used"),
    (42_027, Permanent, "horizontal_content_list.keyname missing"),
    (42_028, Permanent, "url missing in card_action, horizontal_content_list or jump_list"),
    (42_029, Permanent, "horizontal_content_list.media_id missing"),
    (42_030, Permanent, "appid missing in card_action or jump_list"),
    (42_031, Permanent, "card_type illegal"),
    (42_033, Permanent, "title missing in vertical_content_list or jump_list"),
    (42_035, Permanent, "horizontal_content_list of wrong length"),
    (42_036, Permanent, "vertical_content_list of wrong length"),
    (42_037, Permanent, "option_list of wrong length"),
    (42_038, Permanent, "button_list.text missing or illegal"),
    (42_039, Permanent, "button_list.key missing or illegal"),
    (42_040, Permanent, "option_list.id missing or illegal"),
    (42_041, Permanent, "option_list.text missing or illegal"),
    (42_042, Permanent, "jump_list of wrong length"),
    (42_043, Permanent, "question_key missing or illegal"),
    (42_044, Permanent, "card_image.url missing or illegal"),
    (42_045, Permanent, "card_action missing or illegal"),
    (42_046, Permanent, "submit_button.key missing or illegal"),
    (42_047, Permanent, "select_list of wrong length"),
    (42_049, Permanent, "submit_button.text missing or illegal"),
    (42_050, Permanent, "horizontal_content_list.userid missing or illegal"),
    (42_051, Permanent, "action_menu key clash"),
    (42_052, Permanent, "msgid too old to recall (24 h)"),
    (43_004, Permanent, "member has no WeChat binding"),
    (43_009, Config, "corp not verified"),
    (43_012, Config, "app must configure a callback url"),
    (44_001, Permanent, "empty media data (empty media data)"),
    (44_004, Permanent, "text empty (empty content)"),
    (45_001, Permanent, "file too large"),
    (45_002, Permanent, "content too large (text 2048 bytes, mpnews 666 K)"),
    (45_004, Permanent, "app description 4–120 chars"),
    (45_007, Permanent, "voice > 60 s"),
    (45_008, Permanent, "more than 8 articles"),
    (45_009, Delay, "frequency limit (api freq out of limit)"),
    (45_022, Permanent, "app name longer than 32 chars"),
    (45_024, Config, "account quota of the corp reached"),
    (45_029, Permanent, "answer too large"),
    (45_030, Permanent, "more than 20 media ids"),
    (45_031, Config, "corpsecret insecure, reset it"),
    (45_032, Permanent, "author > 64 bytes"),
    (45_033, Delay, "concurrency limit (api concurrent out of limit)"),
    (45_034, Permanent, "url needs a scheme"),
    (45_035, Delay, "concurrent edit conflict"),
    (45_036, Delay, "abnormal access volume"),
    (46_003, Permanent, "no menu set"),
    (46_004, Permanent, "user does not exist"),
    (48_001, Config, "API not authorised"),
    (48_002, Config, "API not permitted for this token (api forbidden): contact-sync token, appchat without root visibility, notice from a non-mini-program app"),
    (48_003, Config, "bad suite_id"),
    (48_004, Config, "authorisation invalid or cancelled"),
    (48_005, Permanent, "API retired"),
    (48_006, Config, "permission withdrawn (long unused)"),
    (48_007, Config, "customer-service account restricted"),
    (48_008, Config, "outside the contact-edit scope"),
    (48_009, Config, "contact-sync IP restrictions"),
    (48_010, Config, "unsupported TLS version"),
    (48_011, Config, "member activity below requirement (customer data)"),
    (49_008, Permanent, "group dissolved"),
    (50_001, Config, "redirect_url not a trusted domain"),
    (50_002, Config, "member outside the permission range"),
    (50_003, Config, "app disabled"),
    (50_006, Config, "system app disabled"),
    (60_003, Permanent, "department does not exist"),
    (60_011, Config, "no right on member/party/tag (no privilege to access/modify contact/party/agent)"),
    (60_020, Config, "caller IP not trusted (not allow to access from your ip)"),
    (60_021, Config, "userid outside the app's range"),
    (60_031, Config, "this app may not call APIs"),
    (60_111, Permanent, "userid does not exist"),
    (60_123, Permanent, "department id invalid"),
    (60_140, Permanent, "response_code invalid or expired"),
    (60_203, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (60_204, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (60_205, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (60_206, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (60_207, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (60_208, Permanent, "template_msg problems (third-party apps; 60208: no @all/toparty/totag)"),
    (80_001, Config, "trusted-domain problems"),
    (81_011, Config, "no right on the tag"),
    (81_012, Permanent, "no range given (no user, party, tag)"),
    (81_013, Permanent, "all users, parties and tags invalid or not permitted (user & party & tag all invalid)"),
    (81_017, Permanent, "too many items requested"),
    (81_026, Delay, "feature under maintenance"),
    (82_001, Permanent, "users, parties, tags all empty (older text All touser & toparty & totag invalid)"),
    (82_002, Permanent, "more than 100 departments"),
    (82_003, Permanent, "more than 100 tags"),
    (82_004, Permanent, "content could crash clients"),
    (82_101, Permanent, "card to update has no target"),
    (82_102, Permanent, "card to update is not part of the message"),
    (84_005, Config, "third-party app not found"),
    (84_014, Permanent, "user_ticket expired"),
    (84_015, Permanent, "user_ticket invalid"),
    (84_061, Permanent, "no external-contact relation"),
    (85_002, Permanent, "forbidden words"),
    (85_004, Config, "trusted-domain problems"),
    (85_005, Config, "trusted-domain problems"),
    (85_006, Config, "trusted-domain problems"),
    (85_007, Config, "trusted-domain problems"),
    (85_008, Config, "trusted-domain problems"),
    (85_009, Config, "trusted-domain problems"),
    (86_001, Permanent, "group chat id illegal"),
    (86_003, Permanent, "group chat does not exist"),
    (86_004, Permanent, "group chat: bad name"),
    (86_005, Permanent, "group chat: bad owner"),
    (86_006, Permanent, "group chat: bad member count"),
    (86_007, Permanent, "group chat: bad member"),
    (86_008, Config, "group created by another app"),
    (86_101, Permanent, "owner only"),
    (86_201, Permanent, "group chat id missing"),
    (86_202, Permanent, "group chat name missing"),
    (86_203, Permanent, "group chat owner missing"),
    (86_204, Permanent, "group chat members missing"),
    (86_205, Permanent, "chatid string too long"),
    (86_206, Permanent, "group chat id number too big"),
    (86_207, Permanent, "owner not in the member list"),
    (86_215, Permanent, "chat id already exists"),
    (86_216, Permanent, "illegal chat member id"),
    (86_217, Permanent, "group chat: sender not a member"),
    (86_220, Permanent, "group chat: bad parameter"),
    (86_222, Permanent, "downstream-member rule"),
    (86_224, Permanent, "restricted-group rules"),
    (86_225, Permanent, "course-group owner rules"),
    (86_226, Permanent, "course-group owner rules"),
    (86_227, Permanent, "course-group owner rules"),
    (90_001, Permanent, "摇一摇周边"),
    (90_002, Permanent, "摇一摇周边"),
    (90_003, Permanent, "摇一摇周边"),
    (90_100, Permanent, "对外属性 (external profile) fields"),
    (90_101, Permanent, "对外属性 (external profile) fields"),
    (90_102, Permanent, "对外属性 (external profile) fields"),
    (90_103, Permanent, "对外属性 (external profile) fields"),
    (90_104, Permanent, "对外属性 (external profile) fields"),
    (90_105, Permanent, "对外属性 (external profile) fields"),
    (90_106, Permanent, "对外属性 (external profile) fields"),
    (90_200, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_201, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_202, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_203, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_204, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_206, Config, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_207, Permanent, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (90_208, Config, "mini-program notice: appid missing, > 10 items, key > 10, value > 30, page; not associated, bad appid, mismatch"),
    (92_000, Config, "userid outside the app's range"),
    (92_002, Config, "cross-corp call"),
    (92_003, Config, "cross-app call"),
    (93_000, Config, "webhook url illegal or push removed from the group (invalid webhook url)"),
    (93_001, Config, "group does not allow pushes"),
    (93_004, Config, "push stopped"),
    (93_005, Config, "robot may not message this user (beta robots only)"),
    (93_006, Permanent, "illegal group id"),
    (93_008, Config, "not in the group"),
    (93_017, Permanent, "request content empty"),
    (93_018, Permanent, "image too large"),
    (93_019, Config, "illegal robot id"),
    (93_050, Permanent, "response_type illegal"),
    (95_000, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_001, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_002, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_007, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_013, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_018, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (95_033, Permanent, "微信客服: bad open_kfid, > 5 messages, > 48 h, bad token, session ended, state, duplicate msgid"),
    (301_002, Config, "token may not operate this agentid (not allow operate another agent with this accesstoken.)"),
    (301_007, Config, "corp dissolved or banned"),
    (301_015, Permanent, "mediaid not an image upload"),
    (301_016, Permanent, "voice file bad"),
    (301_017, Permanent, "voice file not AMR"),
    (301_019, Permanent, "md5 mismatch"),
    (301_021, Permanent, "a userid is not in the directory"),
    (301_023, Permanent, "userid list empty or > 100"),
    (301_042, Config, "IP whitelist"),
    (830_001, Permanent, "url illegal (no Range)"),
    (830_002, Permanent, "file or Range too large (20 MB)"),
    (830_003, Delay, "download from url failed"),
    (846_601, Config, "AI bot: not in long-connection mode"),
    (846_604, Permanent, "AI bot: req_id expired"),
    (846_605, Permanent, "AI bot: req_id illegal"),
    (846_606, Permanent, "AI bot: req_id already answered"),
    (846_607, Delay, "AI bot: send limit"),
    (846_608, Permanent, "AI bot: stream older than 10 minutes"),
    (846_609, Config, "AI bot: not subscribed"),
    (846_610, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_611, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_612, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_613, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_616, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_625, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (846_697, Permanent, "AI bot: biz_type, upload_id, chunk index, chunk size, upload unfinished, task_id, file type"),
    (2_000_002, Config, "CorpId does not exist"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_ascending_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn each_class_has_its_codes() {
        for (code, class) in [
            (-1, Delay),
            (0, Success),
            (40_014, Token),
            (42_001, Token),
            (40_007, Reupload),
            (40_058, Permanent),
            (40_001, Config),
            (93_000, Config),
            (45_009, Delay),
            (2_000_002, Config),
            (123_456, Class::Unknown),
        ] {
            assert_eq!(ErrCode(code).class(), class, "{code}");
        }
    }

    #[test]
    fn named_codes_are_documented() {
        for code in [ErrCode::BUSY, ErrCode::INVALID_WEBHOOK, ErrCode::OTHER_AGENT, ErrCode::RECALL_TOO_LATE] {
            assert!(code.meaning().is_some(), "{code}");
        }
    }
}
