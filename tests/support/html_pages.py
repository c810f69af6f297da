"""A page of HTML read tag by tag: what a reader without a browser can see of it."""

from html.parser import HTMLParser

VOID = {"meta", "br", "img", "hr", "link", "input"}
ADDRESSES = {"href", "src", "srcset", "action", "poster", "data", "xlink:href"}


class Page(HTMLParser):
    """tags: (name, attributes) in order. text: what stands between them. faults: tags that do not close, in words."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.faults, self._open = [], "", [], []
        self.feed(html)
        self.close()
        self.faults += [f"<{name}> is never closed" for name in self._open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]} at {self.getpos()}")
        else:
            self._open.pop()

    def handle_data(self, data):
        self.text += data

    def named(self, *names):
        return [attrs for tag, attrs in self.tags if tag in names]

    @property
    def addresses(self):
        """Every address that the page refers to."""
        return [value for _, attrs in self.tags for name, value in attrs.items() if name in ADDRESSES]


def faults_of(html):
    """What is wrong with a report as a file that is read offline, a sentence each."""
    page = Page(html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    said = [*page.faults]
    said += [f"the id {id} is there twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    said += [f"<{name}> is in the page" for name in ("script", "link", "iframe", "object") if page.named(name)]
    said += [f"{address[:80]} is not in the page" for address in page.addresses if not inside(address, ids)]
    said += [f"<svg {attrs}> has no alternative" for attrs in page.named("svg") if not labelled(attrs)]
    said += [f"<img {attrs}> has no alternative" for attrs in page.named("img") if not attrs.get("alt")]
    said += ["an attribute runs a script"] * any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    said += ["a style asks for another file"] * ("@import" in html or "url(http" in html)
    return said


def inside(address, ids):
    return address.startswith("data:image/jpeg;base64,") or (address.startswith("#") and address[1:] in ids)


def labelled(attrs):
    return attrs.get("role") == "img" and len(attrs.get("aria-label", "")) > 10
