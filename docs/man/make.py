#!/usr/bin/env python3
"""Writes the man pages from what the programs say about themselves and from docs/commands.md.

make.py stele VERSION STELE COMMANDS_MD OUTPUT
make.py stele-check VERSION STELE_CHECK - OUTPUT
"""

import pathlib
import re
import subprocess
import sys


def say(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout


def escape(text):
    """Text that roff leaves as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\`")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def plain(markdown):
    """A cell or paragraph of Markdown without its marks."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("\\|", "|").replace("`", "").replace("*", "")


def options(lines):
    """[(option, text)] of lines such as `  --run DIR   the run folder`, whose texts begin in one column, or later."""
    starts = [m.end() for m in (re.match(r"  -\S.*?  +(?=\S)", l) for l in lines) if m]
    column, found = min(starts, default=0), []
    for line in lines:
        if line.startswith("  -"):
            own = re.match(r"  (-\S.*?)  +(\S.*)", line)
            found.append(list(own.groups()) if own else [line[:column].strip(), line[column:].strip()])
        elif line.startswith("   ") and found:
            found[-1][1] += " " + line.strip()
    return found


def paragraphs(rows):
    return "".join(f".TP\n.B {escape(name)}\n{escape(text)}\n" for name, text in rows)


def usage(text):
    """(synopsis, what it does, lines that follow) of what --help prints."""
    head, _, rest = text.partition("\n\n")
    summary, _, rest = rest.partition("\n\n")
    return head.removeprefix("usage: ").strip(), summary.strip(), rest.splitlines()


def table(markdown, heading):
    """Rows of the table below a heading, without its first two lines."""
    part = markdown.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[plain(c.strip()) for c in re.split(r"(?<!\\)\|", l)[1:-1]] for l in part.splitlines() if l.startswith("|")]
    return rows[2:]


def paragraph(markdown, start):
    found = [p for p in markdown.split("\n\n") if p.startswith(start)]
    if not found:
        sys.exit(f"make.py: docs/commands.md has no paragraph that begins with `{start}`")
    return plain(found[0].replace("\n", " "))


def title(name, version):
    return f'.TH {name.upper()} 1 "" "Stele {version}" "User Commands"\n'


def command_names(program):
    return re.findall(r"^  ([a-z]+) +\S", say(program, "help"), re.M)


def stele(version, program, markdown):
    out = title("stele", version)
    out += ".SH NAME\nstele \\- learn one latent space from several kinds of measurement\n"
    out += ".SH SYNOPSIS\n.B stele\n.IR COMMAND \" [\" ARGUMENT ...]\n.SH DESCRIPTION\n"
    out += escape(say(program, "help").split("\n\n")[1]) + "\nA run is a YAML file, the spec; what it names are plugins.\n"
    out += ".SH COMMANDS\n"
    for name in command_names(program):
        synopsis, summary, rest = usage(say(program, name, "--help"))
        out += f'.SS "{escape(synopsis)}"\n{escape(summary)}\n{paragraphs(options(rest))}'
        out += "".join(f".PP\n{escape(l)}\n" for l in rest if l and not l.startswith(" "))
    out += ".SH ENVIRONMENT\n" + paragraphs([("STELE_PLUGIN_PATH", paragraph(markdown, "Plugins are looked for"))])
    out += ".SH FILES\nOf a run folder:\n" + paragraphs(table(markdown, "The run folder"))
    out += ".SH EXIT STATUS\n" + paragraphs(table(markdown, "Exit codes"))
    return out + ".SH SEE ALSO\n.BR stele\\-check (1)\n"


def stele_check(version, program):
    synopsis, summary, rest = usage(say(program, "--help"))
    out = title("stele-check", version)
    out += ".SH NAME\nstele\\-check \\- put a plugin of stele to the test\n"
    out += f".SH SYNOPSIS\n.B {escape(synopsis)}\n.SH DESCRIPTION\n{escape(summary)}\n.SH OPTIONS\n"
    out += paragraphs(options(rest))
    status = next(l for l in rest if l.startswith("Exit status: ")).removeprefix("Exit status: ")
    out += ".SH CHECKS\n" + paragraphs(re.findall(r"^(\S+) +(.*)$", say(program, "--list"), re.M))
    return out + f".SH EXIT STATUS\n{escape(status)}\n.SH SEE ALSO\n.BR stele (1)\n"


def main():
    page, version, program, markdown, output = sys.argv[1:]
    if page == "stele":
        text = stele(version, program, pathlib.Path(markdown).read_text(encoding="utf-8"))
    else:
        text = stele_check(version, program)
    pathlib.Path(output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
