"""``IFrame``, the videos that are pages, and links to files, of ``IPython.display``."""

from __future__ import annotations

import os

from .objects import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Sequence, Tuple


class IFrame:
    """Another page in the notebook; what else is given by name becomes the query of its address."""

    iframe = (
        '<iframe\n  width="{width}"\n  height="{height}"\n  src="{src}{params}"\n  frameborder="0"\n'
        "  allowfullscreen\n  {extras}\n></iframe>"
    )

    def __init__(
        self, src: Any, width: Any, height: Any, extras: Optional[Sequence[str]] = None, **params: Any
    ) -> None:
        self.src = src
        self.width = width
        self.height = height
        self.extras = extras or []
        self.params = params

    def __repr__(self) -> str:
        return "<IPython.lib.display.%s object>" % type(self).__name__

    def _repr_html_(self) -> str:
        from urllib.parse import urlencode

        return self.iframe.format(
            src=escape(str(self.src)),
            width=escape(str(self.width)),
            height=escape(str(self.height)),
            params="?" + urlencode(self.params) if self.params else "",
            extras=" ".join(self.extras),
        )


class YouTubeVideo(IFrame):
    """A video of YouTube by its id; ``start=`` and the like are the player's parameters."""

    def __init__(
        self, id: str, width: Any = 400, height: Any = 300, allow_autoplay: bool = False, **params: Any
    ) -> None:
        self.id = id
        if allow_autoplay:
            params.update(autoplay=1, extras=[*params.get("extras", []), 'allow="autoplay"'])
        super().__init__("https://www.youtube.com/embed/%s" % id, width, height, **params)


class VimeoVideo(IFrame):
    """A video of Vimeo by its id."""

    def __init__(self, id: Any, width: Any = 400, height: Any = 300, **params: Any) -> None:
        self.id = id
        super().__init__("https://player.vimeo.com/video/%s" % id, width, height, **params)


class FileLink:
    """A link to a file."""

    html_link_str = "<a href='%s' target='_blank'>%s</a>"

    def __init__(
        self,
        path: Any,
        url_prefix: str = "",
        result_html_prefix: str = "",
        result_html_suffix: str = "<br>",
    ) -> None:
        self.path = os.fsdecode(path)
        self.url_prefix = url_prefix
        self.result_html_prefix = result_html_prefix
        self.result_html_suffix = result_html_suffix
        if os.path.isdir(self.path) and not isinstance(self, FileLinks):
            raise ValueError("Cannot display a directory using FileLink. Use FileLinks to display '%s'." % self.path)

    def __repr__(self) -> str:
        return os.path.abspath(self.path)

    def _repr_html_(self) -> str:
        if not os.path.exists(self.path):
            return "Path (<tt>%s</tt>) doesn't exist on this machine (yet)." % escape(self.path)
        return self._links()

    def _links(self) -> str:
        return self._link(self.path, self.path)

    def _link(self, path: str, label: str) -> str:
        link = self.html_link_str % (self.url_prefix + escape(path), escape(label))
        return self.result_html_prefix + link + self.result_html_suffix


class FileLinks(FileLink):
    """A link to each file below a folder."""

    def __init__(self, path: Any, url_prefix: str = "", included_suffixes: Any = None, recursive: bool = True) -> None:
        super().__init__(os.fsdecode(path).rstrip(os.sep) or os.sep, url_prefix)
        if not os.path.isdir(self.path):
            raise ValueError("Cannot display a file using FileLinks. Use FileLink to display '%s'." % self.path)
        self.included_suffixes = included_suffixes
        self.recursive = recursive

    def __repr__(self) -> str:
        return "\n".join("\n".join([folder + "/", *("  " + name for name in names)]) for folder, names in self._files())

    def _links(self) -> str:
        lines: List[str] = []
        for folder, names in self._files():
            lines.append(escape(folder) + "/<br>")
            lines.extend("&nbsp;&nbsp;" + self._link("%s/%s" % (folder, name), name) for name in names)
        return "\n".join(lines)

    def _files(self) -> Iterator[Tuple[str, List[str]]]:
        for folder, folders, names in os.walk(self.path):
            folders.sort()
            suffixes = self.included_suffixes
            yield folder, sorted(name for name in names if suffixes is None or os.path.splitext(name)[1] in suffixes)
            if not self.recursive:
                return
