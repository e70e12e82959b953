"""Enough of a browser to sign in somewhere: redirects, cookies and forms, by the standard library."""

import html.parser
import http.client
import ssl
import urllib.parse


class _Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.forms.append((attrs.get("action", ""), {}))
        elif tag == "input" and self.forms and attrs.get("name"):
            self.forms[-1][1][attrs["name"]] = attrs.get("value") or ""


class Page:
    """What came in the end: url, status, headers (lower case) and text."""

    def __init__(self, url, status, headers, text):
        self.url, self.status, self.headers, self.text = url, status, headers, text

    def form(self):
        """The first form: (address to post to, fields)."""
        parser = _Forms()
        parser.feed(self.text)
        action, fields = parser.forms[0]
        return urllib.parse.urljoin(self.url, action), fields


class Browser:
    """Keeps cookies by host, as browsers do; certificates are not looked at."""

    def __init__(self):
        self.cookies = {}

    def _cookies_for(self, url):
        mine = self.cookies.get(url.hostname, {})
        return "; ".join(f"{name}={value}" for name, (value, path, secure) in mine.items()
                         if url.path.startswith(path) and (url.scheme == "https" or not secure))

    def _keep(self, url, header):
        first, *attributes = [part.strip() for part in header.split(";")]
        name, value = first.split("=", 1)
        words = {a.split("=", 1)[0].lower(): a.partition("=")[2] for a in attributes}
        kept = self.cookies.setdefault(url.hostname, {})
        if words.get("max-age") == "0" or "1970" in words.get("expires", ""):
            kept.pop(name, None)
        else:
            kept[name] = (value, words.get("path") or "/", "secure" in words)

    def once(self, url, method="GET", body=None, headers=None):
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            conn = http.client.HTTPSConnection(parsed.netloc, timeout=15, context=context)
        else:
            conn = http.client.HTTPConnection(parsed.netloc, timeout=15)
        sent = {"Cookie": self._cookies_for(parsed), "Accept": "text/html", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        path = parsed.path + ("?" + parsed.query if parsed.query else "")
        conn.request(method, path or "/", body=body, headers={k: v for k, v in sent.items() if v})
        answer = conn.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self._keep(parsed, value)
        conn.close()
        return Page(url, answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    def follow(self, page, stop=None):
        """Follows redirects; with stop, not those to addresses that begin so."""
        for _ in range(12):
            to = page.headers.get("location")
            if page.status not in (301, 302, 303, 307) or not to:
                return page
            to = urllib.parse.urljoin(page.url, to)
            if stop and to.startswith(stop):
                return Page(to, 0, {}, "")
            page = self.once(to)
        raise RuntimeError("redirects without end")

    def get(self, url, **options):
        return self.follow(self.once(url), **options)

    def post(self, url, fields, **options):
        return self.follow(self.once(url, "POST", urllib.parse.urlencode(fields)), **options)

    def submit(self, page, stop=None, **fields):
        """Posts the page's form, with these fields set."""
        action, form = page.form()
        return self.post(action, {**form, **fields}, stop=stop)
