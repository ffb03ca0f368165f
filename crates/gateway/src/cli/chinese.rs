//! Chinese for what the gateway and the SDK say in English: states, error codes, mends of errcodes.

/// The Chinese word for the state of a message, a recipient or a delivery.
pub(super) fn state(state: &str) -> &str {
    match state {
        "accepted" => "已受理",
        "waiting" => "等待中",
        "sending" | "leased" => "发送中",
        "delivered" => "已送达企业微信",
        "partly_delivered" => "部分送达",
        "uncertain" => "结果不确定",
        "failed" => "失败",
        "dead" => "已放弃",
        "moved_on" => "已转下一步",
        "done" => "已完成",
        "cancelled" => "已取消",
        "expired" => "已过期",
        "recalled" => "已撤回",
        "duplicate" => "重复",
        "sent" => "已发送",
        "deferred" => "暂缓",
        "refused" => "被拒绝",
        other => other,
    }
}

/// What an error code of the API means.
pub(super) fn error(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthorized" => "API key 无效：请设置 HONGYAN_API_KEY，或在网关的数据目录所在处运行",
        "forbidden" => "该 key 无此权限",
        "not_found" => "没有这条消息，或路径不存在",
        "body_too_large" | "too_many_lines" => "请求过大，请拆分",
        "malformed_json" => "不是有效的 JSON",
        "unknown_field" => "未知字段",
        "missing" => "缺少必填字段",
        "invalid" => "字段取值无效",
        "too_long" => "超过企业微信的长度限制",
        "too_many" | "too_few" => "列表条目数不符",
        "unsupported" => "该内容不能以此方式发送",
        "unknown_account" => "未配置该应用、机器人、群聊或邮件服务器",
        "unknown_route" => "未配置该路由",
        "no_address" => "通讯录中没有该成员的邮箱",
        "unknown_person" => "通讯录中没有此人",
        "ambiguous_person" => "同名或同号者不止一人，请改用 userid",
        "left_company" => "接收者均已离职",
        "no_sync" => "未配置通讯录同步",
        "upstream" => "无法向企业微信查询",
        "not_available" => "该功能尚未提供",
        "idempotency_key_reused" => "幂等键已用于另一请求",
        "broadcast_ended" => "该群发任务已结束，无法再暂停或继续",
        "name_taken" => "该名称已被其他调用方使用",
        "not_cancellable" => "消息已不在等待，无法取消",
        "not_retryable" => "消息没有失败，无需重试",
        "not_recallable" => "消息无法撤回，仅 24 小时内的应用消息可以",
        "not_stored" => "暂时无法落盘，未受理，请稍后用相同的幂等键重发",
        "stopping" => "网关正在停止",
        "internal" => "网关内部错误，详见日志",
        _ => return None,
    })
}

/// What a code of WeCom's sample library means, and what to do about it.
pub(super) fn refusal(code: i64) -> Option<&'static str> {
    Some(match code {
        -40_001 => "签名不符：请核对 Token 是否与企业微信后台一致",
        -40_002 => "请求体不是企业微信发出的 XML 或 JSON",
        -40_004 => "没有可用的密钥：该回调未配置，或 EncodingAESKey 不是 43 位字母与数字",
        -40_005 => "消息属于其他企业、套件或机器人：请核对 receive id（企业 ID）",
        -40_007 => "解密失败：请核对 EncodingAESKey 是否与企业微信后台一致",
        -40_008 => "解密后的内容格式不对：请核对 EncodingAESKey",
        -40_010 => "密文不是 base64",
        0 => "缺少 echostr：企业微信验证 URL 时会带上它；推送的消息用 POST",
        _ => return None,
    })
}

/// What to do about an errcode, or about a reason of ours.
pub(super) fn mend(code: &str) -> Option<&'static str> {
    Some(match code {
        "40001" => "请核对 Secret 是否属于该企业与该应用，应用是否启用",
        "40013" => "请在管理后台「我的企业」底部复制企业 ID",
        "40056" | "301002" => "AgentId 与 Secret 须属于同一应用",
        "45009" => "发送过于频繁，企业微信会按窗口时长限制",
        "48002" => "该凭证无权调用此接口",
        "50003" => "请在管理后台启用该应用",
        "60020" => "请在管理后台把本机出口 IP 加入「企业可信IP」，约一分钟后生效",
        "81013" => "请核对接收者 ID，以及应用的可见范围",
        "93000" => "请核对机器人的 key，以及机器人是否仍在群里",
        "853000" | "93019" => "请从智能机器人的 API 设置页（长连接）复制 BotID 与 Secret，然后重启网关",
        "43004" => "成员需先在微信中关注企业",
        "43012" => "按钮类卡片需要应用配置回调地址",
        "invaliduser" | "invalidparty" | "invalidtag" => "不存在，或不在应用可见范围内",
        "unlicenseduser" => "没有基础接口许可",
        "unreachable" => "无法连接企业微信，请检查网络、DNS、代理与接口地址",
        "no_answer" => "未收到应答，消息可能已送达",
        "no_such_person" => "企业微信中查无此手机号或邮箱，或不在应用可见范围内",
        "no_address" => "请在通讯录中补充邮箱，或为该步骤指定收件箱",
        "media_gone" => "文件已不再保留，请重新上传后再发",
        "535" | "530" | "534" => "请核对邮件服务器的用户名与密码，许多服务商要求使用授权码",
        "not_configured" => "该应用或机器人已不在配置中",
        _ => return None,
    })
}
