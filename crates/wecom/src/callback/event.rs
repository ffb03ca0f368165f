//! What happened: every documented event, tolerant of the spellings that differ between WeCom's own pages.
//! <https://developer.work.weixin.qq.com/document/path/90240>

mod approval;
mod contact;

use super::Element;

pub use approval::{ApprovalInfo, ApprovalItem, ApprovalNode};
pub use contact::{ContactChange, TagChange, UserChange};

/// An event. One that this version does not know is [`Event::Unknown`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A member came into the application's visible range.
    Subscribe,
    /// A member left it.
    Unsubscribe,
    /// A member opened the application.
    EnterAgent,
    /// Where a member is, on opening the application.
    Location(Location),
    /// A menu button with a key.
    Click {
        /// The key.
        key: String,
    },
    /// A menu button with a link.
    View {
        /// The link.
        url: String,
    },
    /// A menu button with a mini-program.
    ViewMiniprogram {
        /// Its page.
        page: String,
    },
    /// A code was scanned; `waits` if the member is shown that an answer is on its way.
    ScanCode {
        /// The button's key.
        key: String,
        /// What was scanned.
        scanned: ScanCode,
        /// Whether it was `scancode_waitmsg`.
        waits: bool,
    },
    /// Pictures were taken or chosen; they follow as messages.
    Pictures {
        /// `pic_sysphoto`, `pic_photo_or_album` or `pic_weixin`.
        name: String,
        /// The button's key.
        key: String,
        /// The pictures.
        pictures: Vec<Picture>,
    },
    /// A place was chosen.
    LocationSelect {
        /// The button's key.
        key: String,
        /// The place.
        location: SentLocation,
    },
    /// A button of a template card.
    TemplateCard(CardEvent),
    /// The menu at the corner of a template card.
    TemplateCardMenu(CardEvent),
    /// A button of a task card, the forerunner of template cards.
    TaskcardClick {
        /// The button's key.
        key: String,
        /// The card's id.
        task_id: String,
    },
    /// An asynchronous job has ended.
    BatchJobResult(BatchJob),
    /// An asynchronous upload has ended; ask for its result.
    UploadMediaJobFinish {
        /// The job.
        job_id: String,
    },
    /// A member, department or tag changed.
    ContactChange(Box<ContactChange>),
    /// An approval of the application's own flow moved on.
    OpenApprovalChange(Box<ApprovalInfo>),
    /// The application is about to be suspended, because nobody uses it.
    InactiveAlert {
        /// When, in seconds since the epoch.
        effect_time: i64,
        /// Whether it is the milder warning.
        low_active: bool,
    },
    /// What was suspended or is used again: `close_inactive_agent`, `reopen_inactive_agent`, `low_active`,
    /// `active_restored`, `share_agent_change`, `share_chain_change`.
    AgentState {
        /// The event's name.
        name: String,
    },
    /// A member switched the workbench's display.
    SwitchWorkbenchMode {
        /// The mode.
        mode: i64,
    },
    /// WeCom's own domains or addresses changed.
    DomainIpChange,
    /// An event that this version does not know; see [`super::Callback::raw`].
    Unknown {
        /// Its `Event`.
        name: String,
    },
}

/// Where a member is.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Metres.
    pub precision: f64,
}

/// What was scanned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanCode {
    /// Usually `qrcode`.
    pub kind: String,
    /// What the code says.
    pub result: String,
}

/// A picture that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The MD5 of its content.
    pub md5: String,
}

/// A place that was chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentLocation {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The map's zoom.
    pub scale: Option<i64>,
    /// The address.
    pub label: String,
    /// What is there.
    pub poi_name: String,
}

/// A member acted on a template card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardEvent {
    /// The key of the button or of the menu's entry.
    pub key: String,
    /// The card's `task_id`.
    pub task_id: String,
    /// The card's kind.
    pub card_type: String,
    /// For updating the card, once.
    pub response_code: String,
    /// What was chosen.
    pub selected: Vec<SelectedItem>,
}

/// What was chosen of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedItem {
    /// The question.
    pub question_key: String,
    /// The options.
    pub option_ids: Vec<String>,
}

/// A job that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchJob {
    /// Its id.
    pub job_id: String,
    /// `sync_user`, `replace_user`, `invite_user`, `replace_party`, `export_user`, …
    pub job_type: String,
    /// 0 if it went well.
    pub errcode: i64,
    /// For people.
    pub errmsg: String,
}

impl Event {
    pub(super) fn read(raw: &Element) -> Self {
        let key = || raw.text_of("EventKey").to_owned();
        let name = raw.text_of("Event");
        match name {
            "subscribe" => Self::Subscribe,
            "unsubscribe" => Self::Unsubscribe,
            "enter_agent" => Self::EnterAgent,
            "LOCATION" => Self::Location(Location {
                latitude: raw.number("Latitude").unwrap_or_default(),
                longitude: raw.number("Longitude").unwrap_or_default(),
                precision: raw.number("Precision").unwrap_or_default(),
            }),
            "click" => Self::Click { key: key() },
            "view" => Self::View { url: key() },
            "view_miniprogram" => Self::ViewMiniprogram { page: key() },
            "scancode_push" | "scancode_waitmsg" => {
                Self::ScanCode { key: key(), scanned: ScanCode::read(raw), waits: name == "scancode_waitmsg" }
            }
            "pic_sysphoto" | "pic_photo_or_album" | "pic_weixin" => {
                Self::Pictures { name: name.to_owned(), key: key(), pictures: pictures(raw) }
            }
            "location_select" => Self::LocationSelect { key: key(), location: SentLocation::read(raw) },
            "template_card_event" => Self::TemplateCard(CardEvent::read(raw)),
            "template_card_menu_event" => Self::TemplateCardMenu(CardEvent::read(raw)),
            "taskcard_click" => Self::TaskcardClick { key: key(), task_id: raw.text_of("TaskId").to_owned() },
            "batch_job_result" => Self::BatchJobResult(BatchJob::read(raw)),
            "upload_media_job_finish" => Self::UploadMediaJobFinish { job_id: raw.text_of("JobId").to_owned() },
            "change_contact" => Self::ContactChange(Box::new(ContactChange::read(raw))),
            "open_approval_change" => Self::OpenApprovalChange(Box::new(ApprovalInfo::read(raw))),
            "inactive_alert" | "low_active_alert" => Self::InactiveAlert {
                effect_time: raw.number("EffectTime").unwrap_or_default(),
                low_active: name == "low_active_alert",
            },
            "close_inactive_agent"
            | "reopen_inactive_agent"
            | "low_active"
            | "active_restored"
            | "share_agent_change"
            | "share_chain_change" => Self::AgentState { name: name.to_owned() },
            "switch_workbench_mode" => Self::SwitchWorkbenchMode { mode: raw.number("Mode").unwrap_or_default() },
            "security" if raw.text_of("ChangeType") == "change_domain_ip" => Self::DomainIpChange,
            other => Self::Unknown { name: other.to_owned() },
        }
    }

    /// Tells whether WeCom shows a passive message as the answer to it (path/90241).
    pub fn takes_passive_message(&self) -> bool {
        matches!(
            self,
            Self::Subscribe
                | Self::EnterAgent
                | Self::Location(_)
                | Self::Click { .. }
                | Self::View { .. }
                | Self::ViewMiniprogram { .. }
                | Self::ScanCode { waits: true, .. }
                | Self::TemplateCardMenu(_)
        )
    }
}

impl ScanCode {
    fn read(raw: &Element) -> Self {
        let info = raw.child("ScanCodeInfo");
        let text = |name| info.map(|info| info.text_of(name)).unwrap_or_default().to_owned();
        Self { kind: text("ScanType"), result: text("ScanResult") }
    }
}

/// `PicList` holds one `item` a picture; live payloads were seen that repeat `PicList` instead.
fn pictures(raw: &Element) -> Vec<Picture> {
    let Some(info) = raw.child("SendPicsInfo") else { return Vec::new() };
    let sums = info.all("PicList").flat_map(|list| {
        let items: Vec<&Element> = list.all("item").collect();
        if items.is_empty() { vec![list] } else { items }
    });
    sums.filter_map(|item| item.owned("PicMd5Sum")).map(|md5| Picture { md5 }).collect()
}

impl SentLocation {
    fn read(raw: &Element) -> Self {
        let Some(info) = raw.child("SendLocationInfo") else { return Self::default() };
        Self {
            latitude: info.number("Location_X").unwrap_or_default(),
            longitude: info.number("Location_Y").unwrap_or_default(),
            scale: info.number("Scale"),
            label: info.text_of("Label").to_owned(),
            poi_name: info.text_of("Poiname").to_owned(),
        }
    }
}

impl CardEvent {
    fn read(raw: &Element) -> Self {
        let text = |name| raw.text_of(name).to_owned();
        let items = raw.child("SelectedItems").map(Element::children).unwrap_or_default();
        Self {
            key: text("EventKey"),
            task_id: text("TaskId"),
            card_type: text("CardType"),
            response_code: text("ResponseCode"),
            selected: items.iter().map(SelectedItem::read).collect(),
        }
    }
}

impl SelectedItem {
    fn read(item: &Element) -> Self {
        // Older pages, and what was copied from them, spell it OpitonIds.
        let ids = item.child("OptionIds").or_else(|| item.child("OpitonIds"));
        let ids = ids.map(Element::children).unwrap_or_default();
        Self {
            question_key: item.text_of("QuestionKey").to_owned(),
            option_ids: ids.iter().map(|id| id.text().trim().to_owned()).collect(),
        }
    }
}

impl BatchJob {
    fn read(raw: &Element) -> Self {
        let Some(job) = raw.child("BatchJob") else { return Self::default() };
        Self {
            job_id: job.text_of("JobId").to_owned(),
            job_type: job.text_of("JobType").to_owned(),
            errcode: job.number("ErrCode").unwrap_or_default(),
            errmsg: job.text_of("ErrMsg").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inside: &str) -> Event {
        let xml = format!("<xml><MsgType><![CDATA[event]]></MsgType>{inside}</xml>");
        Event::read(&Element::parse(xml.as_bytes()).unwrap())
    }

    fn fixture(name: &str) -> Event {
        let path = format!("{}/../../fixtures/wecom/callback/{name}.xml", env!("CARGO_MANIFEST_DIR"));
        Event::read(&Element::parse(&std::fs::read(path).unwrap()).unwrap())
    }

    #[test]
    fn simple_events_are_told_by_their_names() {
        let named = |name: &str| read(&format!("<Event><![CDATA[{name}]]></Event><EventKey><![CDATA[k]]></EventKey>"));
        assert_eq!(named("subscribe"), Event::Subscribe);
        assert_eq!(named("click"), Event::Click { key: "k".into() });
        assert_eq!(named("view"), Event::View { url: "k".into() });
        assert_eq!(named("low_active"), Event::AgentState { name: "low_active".into() });
        assert_eq!(named("kf_msg_or_event"), Event::Unknown { name: "kf_msg_or_event".into() });
        assert!(named("enter_agent").takes_passive_message() && !named("unsubscribe").takes_passive_message());
    }

    #[test]
    fn a_card_event_is_read_in_both_spellings() {
        let Event::TemplateCard(card) = fixture("template_card_event") else { panic!() };
        assert_eq!((card.key.as_str(), card.task_id.as_str()), ("button_key", "task1"));
        let expected = [SelectedItem { question_key: "q1".into(), option_ids: vec!["o1".into(), "o2".into()] }];
        assert_eq!(card.selected, expected);
        let old = "<Event>template_card_event</Event><SelectedItems><SelectedItem><QuestionKey>q</QuestionKey><OpitonIds><OpitonId>o</OpitonId></OpitonIds></SelectedItem></SelectedItems>";
        let Event::TemplateCard(card) = read(old) else { panic!() };
        assert_eq!(card.selected[0].option_ids, ["o"]);
    }

    #[test]
    fn pictures_are_read_in_both_shapes() {
        let items = "<Event>pic_weixin</Event><SendPicsInfo><Count>2</Count><PicList><item><PicMd5Sum>a</PicMd5Sum></item><item><PicMd5Sum>b</PicMd5Sum></item></PicList></SendPicsInfo>";
        let lists = "<Event>pic_weixin</Event><SendPicsInfo><PicList><PicMd5Sum>a</PicMd5Sum></PicList><PicList><PicMd5Sum>b</PicMd5Sum></PicList></SendPicsInfo>";
        for xml in [items, lists] {
            let Event::Pictures { pictures, .. } = read(xml) else { panic!() };
            assert_eq!(pictures.iter().map(|p| p.md5.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        }
    }

    #[test]
    fn contact_changes_are_read_whole_and_trimmed() {
        let changed = |event| match event {
            Event::ContactChange(change) => *change,
            other => panic!("{other:?}"),
        };
        let ContactChange::CreateUser(user) = changed(fixture("change_contact.create_user")) else { panic!() };
        assert_eq!(user.attributes, [("爱好".to_owned(), "旅游".to_owned())]);
        assert_eq!((user.userid.as_str(), user.departments.as_deref()), ("zhangsan", Some([1, 2, 3].as_slice())));
        assert_eq!((user.leads, user.status), (Some(vec![true, false, false]), Some(1)));
        assert_eq!(user.direct_leaders, Some(vec!["lisi".into(), "wangwu".into()]));
        let trimmed = read(
            "<Event>change_contact</Event><ChangeType>update_user</ChangeType><UserID>a</UserID><NewUserID>b</NewUserID>",
        );
        let ContactChange::UpdateUser(user) = changed(trimmed) else { panic!() };
        assert_eq!((user.new_userid.as_deref(), user.departments, user.name), (Some("b"), None, None));
        let tag = read(
            "<Event>change_contact</Event><ChangeType>update_tag</ChangeType><TagId>1</TagId><AddUserItems>a,b</AddUserItems><DelPartyItems>2</DelPartyItems>",
        );
        let ContactChange::UpdateTag(tag) = changed(tag) else { panic!() };
        assert_eq!((tag.added_users.len(), tag.removed_parties), (2, vec![2]));
    }

    #[test]
    fn an_approval_is_read_in_both_spellings() {
        let Event::OpenApprovalChange(info) = fixture("open_approval_change") else { panic!() };
        assert_eq!((info.third_no.as_str(), info.status, info.step), ("201806010001", 1, 0));
        assert_eq!((info.nodes[0].items[0].userid.as_str(), info.notified[0].userid.as_str()), ("2", "3"));
        let other = "<Event>open_approval_change</Event><ApprovalInfo><ApprovalNodes><ApprovalNode><Items><Item><ItemUserid>x</ItemUserid></Item></Items></ApprovalNode></ApprovalNodes><ApproverStep>2</ApproverStep></ApprovalInfo>";
        let Event::OpenApprovalChange(info) = read(other) else { panic!() };
        assert_eq!((info.nodes[0].items[0].userid.as_str(), info.step), ("x", 2));
    }

    #[test]
    fn jobs_are_read() {
        let Event::BatchJobResult(job) = fixture("batch_job_result") else { panic!() };
        assert_eq!((job.job_id.as_str(), job.job_type.as_str(), job.errcode), ("JOBID", "sync_user", 0));
        let upload = read("<Event>upload_media_job_finish</Event><JobId>j</JobId>");
        assert_eq!(upload, Event::UploadMediaJobFinish { job_id: "j".into() });
        let moved = read("<Event>security</Event><ChangeType>change_domain_ip</ChangeType>");
        assert_eq!(moved, Event::DomainIpChange);
    }
}
