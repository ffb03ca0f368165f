"""wecom-sdk: asynchronous, and it sends every field that it knows, as null where there is nothing."""

import asyncio

from given import AGENT_ID, CORP_ID, ORIGIN, SECRET, report
from wecom_sdk import Wecom
from wecom_sdk.exceptions.general import SDKException
from wecom_sdk.modules.base import WecomBaseClient
from wecom_sdk.schemas.message import MessageParams, RecallMessageParams

WecomBaseClient.BASE_URL = ORIGIN + "/cgi-bin"


async def main():
    client = Wecom(CORP_ID, SECRET)

    async def send(msgtype, content, touser="zhangsan"):
        parameters = {"touser": touser, "msgtype": msgtype, "agentid": AGENT_ID, msgtype: content}
        return await client.send_message(MessageParams(**parameters))

    card = {"title": "领奖", "description": "今天", "url": "https://example.com/"}
    answers = {
        "text": await send("text", {"content": "文字"}),
        "markdown": await send("markdown", {"content": "**粗**"}),
        "textcard": await send("textcard", card),
    }
    answers["recalled"] = await client.recall_message(RecallMessageParams(msgid=answers["text"]))
    answers["user"] = (await client.get_user("lisi"))["name"]
    try:
        await send("text", {"content": "x"}, touser="nobody")
    except SDKException as error:
        answers["refused"] = str(error)
    report(answers)


asyncio.run(main())
