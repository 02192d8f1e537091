"""Print the book: `_build/pdf/two-switches.pdf` from the single page that Sphinx's `singlehtml` makes, by Chromium.

What a printed page cannot do is arranged here: answers to questions stand at the end, interactive figures stay still,
folded code stays folded (the notebooks have it), and there is a table of contents.
Everything else about print is in book/_static/two-switches.css, for readers who print a page themselves.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "_build" / "singlehtml" / "index.html"
TARGET = ROOT / "_build" / "pdf" / "two-switches.pdf"

# The browser is not to ask anybody anything.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]

#: A chapter's label is unique in the book; a heading that happens to read the same gives way.
ARRANGE = """() => {
  const found = new Map();
  for (const element of document.querySelectorAll("[id]")) {
    if (found.has(element.id)) found.get(element.id).removeAttribute("id");
    found.set(element.id, element);
  }
  const article = document.querySelector("article.bd-article");
  // pages below another page (the misconceptions) have smaller headings, and are left to that page
  const chapters = [...article.querySelectorAll("span[id^=document-]")].map(span => span.nextElementSibling)
    .filter(section => section?.querySelector(":scope > h2"));
  for (const chapter of chapters) {
    const number = chapter.previousElementSibling.id.match(/^document-(\\d\\d)-/);
    if (number) chapter.querySelector("h2").prepend(`${Number(number[1])} · `);
  }
  const title = chapter => {
    const heading = chapter.querySelector("h2").cloneNode(true);
    heading.querySelector("a")?.remove();  // the link to itself
    return heading.textContent;
  };
  const answers = document.createElement("section");
  answers.id = "printed-answers";
  answers.innerHTML = "<h2>Answers to the questions</h2>";
  let number = 0;
  for (const chapter of chapters) {
    const questions = [...chapter.querySelectorAll(".question")];
    if (!questions.length) continue;
    const heading = document.createElement("h3");
    heading.textContent = title(chapter);
    answers.append(heading);
    for (const question of questions) {
      number += 1;
      question.id = `question-${number}`;
      const text = question.querySelector(".question-text");
      const link = document.createElement("a");
      link.href = `#answer-${number}`;
      link.textContent = `Question ${number}`;
      text.prepend(link, ". ");
      const answer = document.createElement("div");
      answer.className = "printed-answer";
      answer.id = `answer-${number}`;
      answer.innerHTML = `<p class="question-text"><a href="#question-${number}">Question ${number}</a></p>`;
      for (const details of question.querySelectorAll("details.answer")) {
        const p = document.createElement("p");
        const [said, why] = ["summary", "p"].map(name => details.querySelector(name).innerHTML);
        p.innerHTML = `<em>${said}</em><br>${why}`;
        answer.append(p);
      }
      answers.append(answer);
    }
  }
  article.append(answers);
  const contents = document.createElement("nav");
  contents.id = "printed-contents";
  contents.innerHTML = "<h2>Contents</h2>";
  const list = document.createElement("ul");
  for (const section of [...chapters, answers]) {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = `#${section.id}`;
    link.textContent = title(section);
    item.append(link);
    list.append(item);
  }
  contents.append(list);
  chapters[0].previousElementSibling.before(contents);
}"""

FOOTER = """<div style="width: 100%; font: 8px 'DejaVu Sans', sans-serif; color: #555; text-align: center">
<span class="pageNumber"></span></div>"""


def arrange(page: Page) -> None:
    """Open the single page and make it a printed book."""
    page.route("**/explorables/*.js", lambda route: route.abort())  # their still pictures stand
    page.goto(SOURCE.as_uri(), wait_until="load")
    page.wait_for_function("!window.MathJax || MathJax.startup.promise.then(() => true)")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.evaluate(ARRANGE)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("No Chromium, which prints the book. On Debian: sudo apt-get install chromium")
    if not SOURCE.is_file():
        sys.exit(f"{SOURCE.relative_to(ROOT)} is not there: make pdf builds it first")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_context(color_scheme="light", reduced_motion="reduce", offline=True).new_page()
        arrange(page)
        page.pdf(
            path=TARGET,
            format="A4",
            margin={"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"},
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            outline=True,
            tagged=True,
        )
        browser.close()
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
