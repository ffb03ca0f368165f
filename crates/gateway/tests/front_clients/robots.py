"""Robots' libraries: wechat-work-webhook takes a whole URL, WorkWeixinRobot has its own and wants `ok` to the letter."""

import os

import wechat_work_webhook
from given import ORIGIN, PICTURE, PLAN, report
from WorkWeixinRobot.work_weixin_robot import WWXRobot

URL = ORIGIN + "/cgi-bin/webhook/send?key=" + os.environ["FRONT_ROBOT"]

webhook = wechat_work_webhook.connect(URL)
article = {"title": "一", "description": "二", "url": "https://example.com/", "picurl": "https://example.com/a.png"}
answers = {
    "text": webhook.text("文字", mentioned_list=["@all"], mentioned_mobile_list=["13800138000"]),
    "markdown": webhook.markdown("**粗**"),
    "image": webhook.image(str(PICTURE)),
    "news": webhook.news([article]),
    "file": webhook.file(str(PLAN)),
}
robot = WWXRobot("")
robot.url = URL
robot.send_text("文字")
robot.send_markdown("**粗**")
robot.send_image(local_file=str(PICTURE))
robot.send_news([{"title": "一", "url": "https://example.com/"}])
wrong = wechat_work_webhook.connect(ORIGIN + "/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa")
answers["wrong"] = wrong.text("x")
report(answers)
