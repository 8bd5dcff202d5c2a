"""Takes README's pictures of the page anew: `python -m tests.web.pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import autotrack.web
from tests.end_to_end.conftest import CommandLine
from tests.web.serving import CHROMIUM, Server, serving

PICTURES = Path(autotrack.web.__file__).parent / "pictures"
SWEEP = """
import sys
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True, as_frame=True), random_state=0)
for trees in (5, 20, 80):
    for depth in (3, 6, None):
        forest = RandomForestClassifier(trees, max_depth=depth, random_state=0).fit(X_train, y_train)
        print(trees, depth, forest.score(X_test, y_test))
search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "gamma": [1e-4, 1e-3]}).fit(X_train, y_train)
print(search.best_params_, search.score(X_test, y_test))
"""
LOOP = """
import sys, torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
data = [torch.tensor(part) for part in train_test_split(*load_digits(return_X_y=True), random_state=0)]
X_train, X_valid, y_train, y_valid = data[0].float() / 16, data[1].float() / 16, data[2], data[3]
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=float(sys.argv[1]))
for epoch in range(30):
    for batch in torch.randperm(len(X_train)).split(64):
        loss = torch.nn.functional.cross_entropy(model(X_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
torch.save(model.state_dict(), "digits.pt")
"""


def record(folder: Path) -> None:
    command = CommandLine(folder)
    (folder / "loop.py").write_text(LOOP)
    (folder / "sweep.py").write_text(SWEEP)
    for rate in ("0.0003", "0.003", "0.03"):
        command("run", "loop.py", rate)
    command("run", "sweep.py")
    command("tag", "@best:test/accuracy", "stage=final")
    command("note", "@best:test/accuracy", "for the release")


def take(browser: Any, there: Server) -> None:
    filter = quote('framework == "torch"')
    loops = there.json(f"/api/runs?filter={filter}")["runs"]
    compared = f"compare?runs={','.join(run['id'] for run in reversed(loops))}&smooth=0.8&log=true"
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1280, "height": 640}, color_scheme=scheme, device_scale_factor=1.5
        )
        page = context.new_page()
        page.goto(there.link)
        page.get_by_role("button", name="6 runs in").click()
        page.get_by_role("link", name="[5]").wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=PICTURES / f"runs-{scheme}.png")
        page.goto(there.link + compared)
        page.locator("figure canvas").first.wait_for()
        page.get_by_role("heading", name="Curves").evaluate("(one) => one.scrollIntoView()")
        page.screenshot(path=PICTURES / f"compare-{scheme}.png")
        context.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        record(Path(folder))
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        with serving(Path(folder)) as there:
            take(browser, there)
            browser.close()


if __name__ == "__main__":
    main()
