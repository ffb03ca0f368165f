"""corpwechatbot: an application's messages, to members and to a group chat, and a robot's."""

import os

import corpwechatbot.app
from corpwechatbot import AppMsgSender, CorpWechatBot
from corpwechatbot._sender import MsgSender
from given import AGENT_ID, CORP_ID, FOLDER, ORIGIN, PICTURE, PLAN, SECRET, report

# Its base URL is set in its constructor; what it keeps its tokens in lies beside its code.
MsgSender.base_url = property(lambda self: ORIGIN + "{}", lambda self, value: None)
corpwechatbot.app.TOKEN_PATH = FOLDER / "token.json"

app = AppMsgSender(corpid=CORP_ID, corpsecret=SECRET, agentid=str(AGENT_ID))
to = {"touser": ["zhangsan", "nobody"]}
url = "https://example.com/"
answers = {
    "text": app.send_text("文字", **to),
    "markdown": app.send_markdown("**粗**", **to),
    "textcard": app.send_card("领奖", "今天", url, btntxt=None, **to),
    "news": app.send_news("一", "二", url, "https://example.com/a.png", **to),
    "file": app.send_file(str(PLAN), **to),
    "image": app.send_image(str(PICTURE), safe=0, **to),
    "twice": [app.send_text("一次", enable_duplicate_check=1, duplicate_check_interval=60, **to) for _ in range(2)],
    "chat": app.send_text("群", chatid="planning"),
}
bot = CorpWechatBot(key=os.environ["FRONT_ROBOT"])
answers["robot"] = {
    "text": bot.send_text("文字", mentioned_list=["zhangsan"], mentioned_mobile_list=["13800138000"]),
    "markdown": bot.send_markdown("**粗**"),
    "image": bot.send_image(str(PICTURE)),
    "news": bot.send_news("一", "二", url, "https://example.com/a.png"),
    "file": bot.send_file(str(PLAN)),
}
report(answers)
