"""The Iceberg REST catalogue over plain HTTP, for what a client library would hide."""
import http.client
import json
import urllib.parse


class Refused(Exception):
    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.status, self.error = status, error
        self.type, self.message = error.get("type"), error.get("message")


class Rest:
    def __init__(self, server, token=None):
        self.host = server.url.split("//")[1]
        self.server = server
        self.token = token or self.login(server.access_key, server.secret_key)["access_token"]

    def raw(self, method, path, body=None, headers=None, form=None):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = dict(headers or {})
        if form is not None:
            data = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            data = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
            if getattr(self, "token", None) and "Authorization" not in headers:
                headers["Authorization"] = "Bearer " + self.token
        connection.request(method, "/iceberg/v1/" + path, data, headers)
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, dict(reply.getheaders()), text

    def login(self, key, secret, **more):
        status, _, text = self.raw("POST", "oauth/tokens", form={
            "grant_type": "client_credentials", "client_id": key, "client_secret": secret, "scope": "catalog", **more})
        reply = json.loads(text)
        if status != 200:
            raise Refused(status, reply)
        return reply

    def call(self, method, path, body=None, headers=None):
        status, _, text = self.raw(method, path, body, headers)
        if status >= 400:
            error = json.loads(text)["error"] if text else {}
            if error:
                assert error["code"] == status and error["message"] and error["type"], error
            raise Refused(status, error)
        if status == 204:
            assert not text
            return None
        return json.loads(text)

    def get(self, path, **headers):
        return self.call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, body):
        return self.call("POST", path, body)

    def delete(self, path):
        return self.call("DELETE", path)

    def head(self, path):
        return self.raw("HEAD", path)[0]


def schema(*fields, identifiers=None):
    """schema((1, "a", "long"), (2, "b", "string", True)): required when the fourth says so."""
    made = {"type": "struct", "schema-id": 0,
            "fields": [{"id": f[0], "name": f[1], "type": f[2], "required": len(f) > 3 and f[3]} for f in fields]}
    if identifiers:
        made["identifier-field-ids"] = identifiers
    return made
