//! The sample traffic: what a factory's systems would send in a morning.

use serde_json::{Value, json};

/// One message, and the state it should end in.
pub(super) struct Sample {
    pub(super) what: &'static str,
    pub(super) submission: Value,
    pub(super) idempotency_key: Option<&'static str>,
    pub(super) ends_as: &'static str,
    /// How many messages on the phones it makes.
    pub(super) seen: u64,
}

fn sample(what: &'static str, submission: Value) -> Sample {
    Sample { what, submission, idempotency_key: None, ends_as: "delivered", seen: 1 }
}

pub(super) fn samples() -> Vec<Sample> {
    let order = json!({
        "to": { "users": ["zhangsan", "lisi"] },
        "text": "订单 4711 已发货 · order 4711 shipped",
        "dedupe": { "key": "order-4711", "window": "10m" },
        "tags": ["order"],
        "metadata": { "order": 4711 }
    });
    vec![
        sample(
            "生产计划 → 成员 · a production plan to members",
            json!({ "to": { "users": ["zhangsan", "lisi"] }, "text": "DFB-2000内胆：7月19日完成\nKQZG-8温控器：7月21日完成" }),
        ),
        Sample {
            idempotency_key: Some("order-4711-shipped"),
            ..sample("订单 · an order, with an idempotency key", order.clone())
        },
        Sample {
            idempotency_key: Some("order-4711-shipped"),
            seen: 0,
            ..sample("同一请求 · the same request again: one message", order.clone())
        },
        Sample {
            idempotency_key: Some("order-4711-again"),
            ends_as: "duplicate",
            seen: 0,
            ..sample("重复业务 · the same business event again: a duplicate", order)
        },
        sample(
            "PMC 紧急调整 → 部门 · markdown to a department",
            json!({ "to": { "parties": [2] }, "markdown": "## PMC紧急调整通知\n> XC-360电机：<font color=\"warning\">7月21日</font>完成\n\n请各部门**及时确认**" }),
        ),
        sample(
            "文本卡片 · a text card",
            json!({ "to": { "tags": [1] }, "textcard": {
                "title": "领奖通知", "description": "<div class=\"gray\">2026年7月19日</div>恭喜你抽中一台平板电脑",
                "url": "https://work.weixin.qq.com", "btntxt": "查看" } }),
        ),
        sample(
            "订单审批卡片 · a template card",
            json!({ "to": { "users": ["wangwu"] }, "template_card": {
                "card_type": "text_notice", "source": { "desc": "系统通知" },
                "main_title": { "title": "订单审批提醒", "desc": "您有1笔待审批订单" },
                "emphasis_content": { "title": "¥15,800.00", "desc": "订单金额" }, "sub_title_text": "请及时处理",
                "jump_list": [{ "type": 1, "title": "查看订单", "url": "https://oa.example.com/order/123" }],
                "card_action": { "type": 1, "url": "https://oa.example.com/order/123" } } }),
        ),
        sample(
            "按钮卡片 · a card with buttons",
            json!({ "to": { "users": ["zhangsan"] }, "app": "alerts", "template_card": {
                "card_type": "button_interaction", "task_id": "demo-approval-1",
                "main_title": { "title": "采购申请", "desc": "轴承 200 件" },
                "horizontal_content_list": [{ "keyname": "申请人", "value": "李四" }],
                "button_list": [{ "text": "同意", "style": 1, "key": "approve" }, { "text": "驳回", "style": 2, "key": "reject" }] } }),
        ),
        sample(
            "图文 · news",
            json!({ "to": { "all": true }, "news": { "articles": [{
                "title": "中秋节礼品领取", "description": "今年中秋节公司有豪礼相送", "url": "https://www.qq.com" }] } }),
        ),
        sample(
            "告警 → 群机器人，@所有人 · an alert to a robot, mentioning everybody",
            json!({ "to": { "robots": ["alerts"] }, "text": "服务器 CPU 使用率超过 80%", "mention": { "all": true, "mobiles": ["13800138000"] }, "priority": "urgent" }),
        ),
        Sample {
            seen: 2,
            ..sample(
                "日报 → 群机器人 · a report as a table",
                json!({ "to": { "robots": ["planning", "default"] }, "markdown_v2": "# 日报\n| 产线 | 完成 |\n| :--- | ---: |\n| A | 120 |\n| B | 98 |" }),
            )
        },
        Sample {
            ends_as: "partly_delivered",
            ..sample(
                "一人已离职 · one of the recipients has left",
                json!({ "to": { "users": ["zhangsan", "left-long-ago"] }, "text": "请查收七月排班" }),
            )
        },
    ]
}

pub(super) fn another(number: u64) -> Value {
    match number % 3 {
        0 => json!({ "to": { "robots": ["planning"] }, "markdown": format!("**产线 A** 第 {number} 批次完成") }),
        1 => json!({ "to": { "users": ["lisi"] }, "text": format!("工单 {number} 已派发") }),
        _ => json!({ "to": { "users": ["zhangsan", "wangwu"] }, "text": format!("设备点检 {number} 正常") }),
    }
}
