"""A machine in the file browser: its folders open by clicks, a notebook on it runs, links lead to its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.kernel.remotes import Remote, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.mainly("plain")]

HELPER = "def fail():\n    raise ValueError('there')\n"


def lay(remote: Remote) -> str:
    """Lay a notebook and a module into a folder there; return the folder's path in the browser."""
    kernel = {"name": "rpyc-pi", "display_name": "Python @ pi"}
    notebook = new_notebook(cells=[new_code_cell("")], metadata={"kernelspec": kernel})
    nbformat.write(notebook, remote.work / "there.ipynb")
    (remote.work / "helper.py").write_text(HELPER)
    return f"pi:{str(remote.work)[1:]}"


def test_in_jupyterlab(page: Page, own_remote: Remote) -> None:
    from tests.kernel.browser.pages import TOKEN, JupyterServer, Notebook, expect

    server = JupyterServer("jupyterlab")
    server.save_host("pi", own_remote.address, "--tile")
    folder = lay(own_remote)
    path = "window.jupyterapp.shell.currentWidget.context.path"
    with server:
        notebook = Notebook(page)
        page.goto(f"{server.url}/lab?token={TOKEN}")
        items = page.locator(".jp-DirListing-item")
        items.filter(has_text="pi:").dblclick()
        for part in str(own_remote.work)[1:].split("/"):
            items.get_by_text(part, exact=True).dblclick()
        items.get_by_text("there.ipynb", exact=True).dblclick()
        notebook.wait_for_kernel()
        assert page.evaluate(path) == f"{folder}/there.ipynb"
        cell = notebook.run("import helper, os; print(os.environ['RK_WHERE']); helper.fail()")
        expect(notebook.output(cell).first).to_have_text("there")
        page.keyboard.press("Control+s")
        assert wait_until(lambda: "ValueError" in (own_remote.work / "there.ipynb").read_text(), 30)
        link = cell.locator("a", has_text="helper.py").last
        expect(link).to_have_attribute("href", f"{folder}/helper.py#line=1")
        link.click()
        editor = page.locator(".jp-FileEditor:visible .cm-content")
        expect(editor).to_contain_text("raise ValueError")
        assert page.evaluate(path) == f"{folder}/helper.py"
        editor.click()
        page.keyboard.press("Control+End")
        page.keyboard.insert_text("# edited here")
        page.keyboard.press("Control+s")
        assert wait_until(lambda: (own_remote.work / "helper.py").read_text() == f"{HELPER}# edited here", 30)
        # a new file, and an upload
        page.evaluate("() => { window.jupyterapp.commands.execute('filebrowser:create-new-file'); }")
        page.locator(".jp-DirListing-editor").press("Enter")
        assert wait_until((own_remote.work / "untitled.txt").exists, 30)
        upload = {"name": "model.bin", "mimeType": "application/octet-stream", "buffer": bytes(3_000_000)}
        with page.expect_file_chooser() as chooser:
            page.locator('[data-jp-item-name="uploader"]').click()
        chooser.value.set_files([upload])
        assert wait_until(lambda: size_of(own_remote, "model.bin") == 3_000_000, 30)


def size_of(remote: Remote, name: str) -> int:
    path = remote.work / name
    return path.stat().st_size if path.exists() else -1


def test_in_notebook_7(page: Page, own_remote: Remote) -> None:
    from tests.kernel.browser.pages import TOKEN, JupyterServer, Notebook, expect

    server = JupyterServer("notebook")
    server.save_host("pi", own_remote.address, "--tile")
    folder = lay(own_remote)
    with server:
        notebook = Notebook(page)
        page.goto(f"{server.url}/tree?token={TOKEN}")
        page.locator(".jp-DirListing-item").filter(has_text="pi:").dblclick()
        expect(page.locator(".jp-DirListing-item").get_by_text("~", exact=True)).to_be_visible()
        page.goto(f"{server.url}/notebooks/{folder}/there.ipynb?token={TOKEN}")
        notebook.wait_for_kernel()
        cell = notebook.run("import os; os.environ['RK_WHERE']")
        expect(notebook.output(cell).last).to_have_text("'there'")
        page.keyboard.press("Control+s")
        assert wait_until(lambda: "'there'" in (own_remote.work / "there.ipynb").read_text(), 30)
