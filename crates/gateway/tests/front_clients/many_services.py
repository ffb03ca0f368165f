"""Those that many services are told through: apprise and onepush, each through an application and through a robot."""

import os

import apprise
import onepush
from apprise.plugins.wechat import NotifyWeChat
from apprise.plugins.wecombot import NotifyWeComBot
from given import AGENT_ID, CORP_ID, ORIGIN, SECRET, report
from onepush.providers.wechatworkbot import WechatWorkBot

ROBOT = os.environ["FRONT_ROBOT"]
NotifyWeChat.token_url = ORIGIN + "/cgi-bin/gettoken"
NotifyWeChat.notify_url = ORIGIN + "/cgi-bin/message/send"
NotifyWeComBot.notify_url = ORIGIN + "/cgi-bin/webhook/send?key={key}"
# The application's has a setting for it.
WechatWorkBot.base_url = ORIGIN + "/cgi-bin/webhook/send?key={}"


def told(url, **more):
    sender = apprise.Apprise()
    return bool(sender.add(url) and sender.notify(**more))


app = "wechat://%s:%s@%d/" % (CORP_ID, SECRET, AGENT_ID)
credentials = {"corpid": CORP_ID, "corpsecret": SECRET, "agentid": str(AGENT_ID)}
report(
    {
        "apprise": told(app + "zhangsan/%232/%2B1", title="备份", body="完成"),
        "apprise markdown": told(app + "zhangsan?format=markdown", body="**完成**", body_format="markdown"),
        "apprise refused": told(app + "nobody", body="x"),
        "apprise robot": told("wecombot://%s" % ROBOT, body="机器人"),
        "onepush": onepush.notify(
            "wechatworkapp", title="备份", content="完成", touser="zhangsan", custom_url=ORIGIN, **credentials
        ).json(),
        "onepush markdown": onepush.notify(
            "wechatworkapp", content="**完成**", touser="zhangsan", markdown=True, custom_url=ORIGIN, **credentials
        ).json(),
        "onepush robot": onepush.notify("wechatworkbot", key=ROBOT, title="备份", content="完成", markdown=2).json(),
    }
)
