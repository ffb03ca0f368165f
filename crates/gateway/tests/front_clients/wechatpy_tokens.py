"""wechatpy, over the end of its token and over the end of its key. Each line on standard input is a sign to go on."""

from given import AGENT_ID, CORP_ID, ORIGIN, SECRET, report
from wechatpy.enterprise import WeChatClient
from wechatpy.exceptions import WeChatClientException


class Client(WeChatClient):
    API_BASE_URL = ORIGIN + "/cgi-bin/"

    def fetch_access_token(self):
        fetched.append(1)
        return self._fetch_access_token(
            url=ORIGIN + "/cgi-bin/gettoken", params={"corpid": self.corp_id, "corpsecret": self.secret}
        )


fetched = []
client = Client(CORP_ID, SECRET)
while True:
    try:
        errcode = client.message.send_text(AGENT_ID, ["zhangsan"], "第%d次" % (len(fetched)))["errcode"]
    except WeChatClientException as error:
        errcode = error.errcode
    report({"errcode": errcode, "fetched": len(fetched)})
    input()
