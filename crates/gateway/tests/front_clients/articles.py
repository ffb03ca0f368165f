"""What people copy from articles: one's function to the letter, and one made after its description.

The first is printed in its article; here it has another base URL. Of the second the article prints the name, the four
arguments, and what is printed when: the body is made after that.
"""

import logging
import os

import requests
from given import AGENT_ID, CORP_ID, ORIGIN, SECRET, report


def send_wechat_message(agent_id, access_token, user_ids, content):
    """发送企业微信消息"""
    url = f"{ORIGIN}/cgi-bin/message/send?access_token={access_token}"
    payload = {
        "touser": "|" .join(user_ids),  # 用户ID列表，用|分隔
        "msgtype": "text",
        "agentid": agent_id,
        "text": {
            "content": content
        },
        "safe": 0
    }

    try:
        response = requests.post(url, json=payload)
        result = response.json()
        if result.get("errcode") == 0:
            print("企业微信消息发送成功")
            logging.info("企业微信消息发送成功")
        else:
            print(f"企业微信消息发送失败: {result.get('errmsg')}")
            logging.error(f"企业微信消息发送失败: {result.get('errmsg')}")
    except Exception as e:
        print(f"发送企业微信消息时发生错误: {str(e)}")
        logging.error(f"发送企业微信消息时发生错误: {str(e)}")


session = requests.Session()


def wecomrobot(push_message, accessKey, is_at_all, at_mobiles):
    mobiles = [mobile.strip() for mobile in at_mobiles.split(",") if mobile.strip()]
    if is_at_all:
        mobiles.append("@all")
    text = {"content": push_message, "mentioned_mobile_list": mobiles}
    try:
        answer = session.post(
            f"{ORIGIN}/cgi-bin/webhook/send?key={accessKey}", json={"msgtype": "text", "text": text}
        ).json()
    except requests.RequestException as error:
        return print(f"错误：{error}")
    if answer["errcode"] == 0:
        return print("信息：企业微信机器人推送成功。")
    print(f"错误：{answer['errcode']} {answer['errmsg']}")


parameters = {"corpid": CORP_ID, "corpsecret": SECRET}
token = requests.get(f"{ORIGIN}/cgi-bin/gettoken", params=parameters).json()["access_token"]
# As the article has it: a configuration value, which is a text.
send_wechat_message(str(AGENT_ID), token, ["zhangsan", "lisi"], "新用户已加入：小明")
send_wechat_message(AGENT_ID, "your_access_token", ["zhangsan"], "x")
key = os.environ["FRONT_ROBOT"]
for is_at_all, at_mobiles in [(0, ""), (1, ""), (0, "13800138000, 13900139000"), (1, "13800138000")]:
    wecomrobot("服务器 CPU 使用率超过 80%", key, is_at_all, at_mobiles)
wecomrobot("x", "xxxxxx", 0, "")
report({})
