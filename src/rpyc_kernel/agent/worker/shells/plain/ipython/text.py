"""The classes of ``IPython.display`` whose data is text."""

from __future__ import annotations

from .objects import DisplayObject, escape, no_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_STYLE_SHEET = (
    'var link = document.createElement("link");\nlink.rel = "stylesheet";\nlink.type = "text/css";\n'
    'link.href = "%s";\ndocument.head.appendChild(link);\n'
)
_LIBRARY = (
    'new Promise(function(resolve, reject) {\n  var script = document.createElement("script");\n'
    '  script.onload = resolve;\n  script.onerror = reject;\n  script.src = "%s";\n'
    "  document.head.appendChild(script);\n}).then(() => {\n"
)


class TextDisplayObject(DisplayObject):
    """Text in one format."""

    def _check_data(self) -> None:
        if self.data is not None and not isinstance(self.data, str):
            raise TypeError("%s expects text, not %r" % (type(self).__name__, self.data))


class Pretty(TextDisplayObject):
    """Text that is shown as it is."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.data)


class HTML(TextDisplayObject):
    """HTML."""

    def _repr_html_(self) -> Any:
        return self._shown()

    def __html__(self) -> Any:
        return self._repr_html_()


class Markdown(TextDisplayObject):
    """Markdown."""

    def _repr_markdown_(self) -> Any:
        return self._shown()


class Latex(TextDisplayObject):
    """LaTeX, of which front ends show what is mathematics."""

    def _repr_latex_(self) -> Any:
        return self._shown()


class Math(TextDisplayObject):
    """A formula in LaTeX, with or without dollar signs round it."""

    def _repr_latex_(self) -> Any:
        text = r"$\displaystyle %s$" % self.data.strip("$")
        return (text, dict(self.metadata)) if self.metadata else text


class SVG(DisplayObject):
    """The ``<svg>`` element of a text; to show a URL without fetching it there is `Image`."""

    _binary = True

    def _check_data(self) -> None:
        text = self.data
        if text is None:
            return
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if "<" not in text:
            raise no_file(text)
        start, end = text.find("<svg"), text.rfind("</svg>")
        self.data = text[start : end + len("</svg>")] if 0 <= start < end else text

    def _repr_svg_(self) -> Any:
        return self._shown()


class JSON(DisplayObject):
    """A dict or list that a front end shows as a tree."""

    _data: Any = None

    def __init__(
        self,
        data: Any = None,
        url: Any = None,
        filename: Any = None,
        expanded: bool = False,
        metadata: Any = None,
        root: str = "root",
        **more: Any,
    ) -> None:
        super().__init__(
            data, url, filename, dict({"expanded": expanded, "root": root}, **dict(metadata or {}, **more))
        )

    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        if isinstance(data, (str, bytes)):
            import json

            data = json.loads(data)
        self._data = data

    def _check_data(self) -> None:
        if self.data is not None and not isinstance(self.data, (dict, list)):
            raise TypeError("%s expects a dict or list, not %r" % (type(self).__name__, self.data))

    def _repr_json_(self) -> Any:
        return self._shown()


class Javascript(TextDisplayObject):
    """JavaScript that a front end runs, after it has loaded the libraries `lib` and the style sheets `css`."""

    def __init__(
        self, data: Any = None, url: Any = None, filename: Any = None, lib: Any = None, css: Any = None
    ) -> None:
        self.lib, self.css = ([each] if isinstance(each, str) else each or [] for each in (lib, css))
        for each in (self.lib, self.css):
            if not isinstance(each, (list, tuple)):
                raise TypeError("expected sequence, got: %r" % (each,))
        super().__init__(data, url, filename)

    def _repr_javascript_(self) -> str:
        before = [_STYLE_SHEET % each for each in self.css] + [_LIBRARY % each for each in self.lib]
        return "".join([*before, self.data, "\n});" * len(self.lib)])


class Code(TextDisplayObject):
    """Source text, without colours."""

    _place = "IPython.lib.display"

    def __init__(self, data: Any = None, url: Any = None, filename: Any = None, language: Optional[str] = None) -> None:
        self.language = language
        super().__init__(data, url, filename)

    def __repr__(self) -> str:
        return str(self.data)

    def _repr_html_(self) -> str:
        return "<pre>%s</pre>" % escape(self.data)
