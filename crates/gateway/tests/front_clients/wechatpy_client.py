"""wechatpy's client of WeCom: messages of every kind that it has, files, and a call that is passed on."""

from given import AGENT_ID, CORP_ID, ORIGIN, PICTURE, PLAN, SECRET, report
from wechatpy.enterprise import WeChatClient
from wechatpy.exceptions import WeChatClientException


class Client(WeChatClient):
    """With another base URL, which stands at two places in it."""

    API_BASE_URL = ORIGIN + "/cgi-bin/"

    def fetch_access_token(self):
        return self._fetch_access_token(
            url=ORIGIN + "/cgi-bin/gettoken", params={"corpid": self.corp_id, "corpsecret": self.secret}
        )


def refused(call):
    try:
        return {"answered": call()}
    except WeChatClientException as error:
        return {"errcode": error.errcode, "errmsg": error.errmsg}


client = Client(CORP_ID, SECRET)
message = client.message
answers = {"text": message.send_text(AGENT_ID, ["zhangsan", "nobody"], "文字")}
answers["markdown"] = message.send_markdown(AGENT_ID, "zhangsan", "**粗**")
card = ("领奖", '<div class="gray">今天</div>', "https://example.com/")
answers["textcard"] = message.send_text_card(AGENT_ID, ["zhangsan"], *card)
article = {"title": "一", "description": "二", "url": "https://example.com/", "image": "https://example.com/a.png"}
answers["news"] = message.send_articles(AGENT_ID, ["zhangsan"], [article])
with PLAN.open("rb") as file:
    plan = client.media.upload("file", file)["media_id"]
with PICTURE.open("rb") as file:
    picture = client.media.upload("image", file)["media_id"]
answers["file"] = message.send_file(AGENT_ID, ["zhangsan"], plan)
answers["image"] = message.send_image(AGENT_ID, ["zhangsan"], picture, safe=1)
answers["mpnews"] = message.send_mp_articles(
    AGENT_ID,
    ["zhangsan"],
    [
        {
            "thumb_media_id": picture,
            "author": "",
            "title": "图文",
            "content": "<b>正文</b>",
            "content_source_url": "",
            "digest": "",
            "show_cover_pic": 0,
        }
    ],
)
template_card = {
    "card_type": "text_notice",
    "main_title": {"title": "停机通知", "desc": "周五"},
    "card_action": {"type": 1, "url": "https://example.com/"},
}
answers["template_card"] = message.send(
    AGENT_ID, ["zhangsan"], party_ids=["2"], msg={"msgtype": "template_card", "template_card": template_card}
)
answers["downloaded"] = client.get("media/get", params={"media_id": plan}).text
answers["passed on"] = client.user.get("zhangsan")["name"]
answers["all refused"] = refused(lambda: message.send_text(AGENT_ID, ["nobody"], "x"))
answers["not listed"] = refused(lambda: client.department.get())
answers["another agent"] = refused(lambda: message.send_text(7, ["zhangsan"], "x"))
report(answers)
