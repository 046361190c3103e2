#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What bash and zsh complete, from what the program says about itself: completion.py PROGRAM BASH ZSH"""

import pathlib
import re
import sys

import program_help

FILES = ("FILE", "SOCKET")  # values that are paths; the others are the user's own

BASH = """\
# bash completion for peel. Made by config/manual; changes belong into the program.
_peel()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]-} options= files= values= words= path=

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "@COMMANDS@ --help --version" -- "$cur"))
		return
	fi
	case $command in
@CASES@
	*) return ;;
	esac
	case " $files " in
	*" $prev "*)
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	esac
	case " $values " in
	*" $prev "*) return ;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
	*)
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		if [ -n "$path" ]; then
			compopt -o filenames 2>/dev/null
			COMPREPLY+=($(compgen -f -- "$cur"))
		fi
		;;
	esac
}
complete -F _peel peel
"""

ZSH = """\
#compdef peel
# zsh completion for peel. Made by config/manual; changes belong into the program.
_peel()
{
	local curcontext="$curcontext" state line
	local -a commands
	commands=(
@COMMANDS@
	)
	_arguments -C '(- *)'{-h,--help}'[help]' '(- *)'{-V,--version}'[version]' '1: :->command' '*:: :->rest'
	case $state in
	command) _describe -t commands 'peel command' commands ;;
	rest)
		curcontext="${curcontext%:*:*}:peel-$words[1]:"
		case $words[1] in
@CASES@
		esac
		;;
	esac
}
_peel "$@"
"""


def options(command):
    """Each option once, though several of the command's sections may have it."""
    found = {}
    for section in command.sections("options"):
        for option in section.options():
            found.setdefault(option.long, option)
    return list(found.values())


def takes_path(command):
    """Whether an argument that is no option's value names a file."""
    return any(re.search(r"(?<!-c )(?<!--show )(?<!--key )\bFILE\b(?!\])", re.sub(r"\[[^]]*\]", "", line))
               for line in command.usage)


def spellings(option):
    return [option.short, option.long] if option.short else [option.long]


def bash_case(command):
    known = options(command)
    needs = [o for o in known if o.value and not o.optional]
    return "\n".join([f"\t{command.name})",
        f'\t\toptions="{" ".join(o.long for o in known)}"',
        f'\t\tfiles="{" ".join(s for o in needs if o.value in FILES for s in spellings(o))}"',
        f'\t\tvalues="{" ".join(s for o in needs if o.value not in FILES for s in spellings(o))}"',
        f'\t\twords="{" ".join(command.words())}" path={"yes" if takes_path(command) else ""}',
        "\t\t;;"])


def quote(text):
    return text.replace("'", "'\\''")


def zsh_option(option):
    about = re.sub(r"([\[\]:\\])", r"\\\1", option.about)
    about = quote(about)
    value = ""
    if option.value:
        value = f":{option.value.replace(':', ' and ')}:{'_files' if option.value in FILES else ' '}"
    names = [option.short, option.long + ("=-" if option.optional else "=" if value else "")]
    if option.optional:
        value = ":" + value
    if option.short is None:
        return f"'{names[1]}[{about}]{value}'"
    return f"'({option.short} {option.long})'{{{names[0]},{names[1]}}}'[{about}]{value}'"


def zsh_case(command):
    lines = [f"\t\t{command.name})", "\t\t\t_arguments \\"]
    lines += [f"\t\t\t\t{zsh_option(option)} \\" for option in options(command)]
    words = command.words()
    if words:
        lines += [f"\t\t\t\t'1:what:({' '.join(words)})'"]
    elif takes_path(command):
        lines += ["\t\t\t\t'*:file:_files'"]
    else:
        lines[-1] = lines[-1].removesuffix(" \\")
    return "\n".join([*lines, "\t\t\t;;"])


def main():
    program, bash, zsh = sys.argv[1:]
    _, commands = program_help.read(program)
    text = BASH.replace("@COMMANDS@", " ".join(command.name for command in commands))
    pathlib.Path(bash).write_text(text.replace("@CASES@", "\n".join(map(bash_case, commands))), encoding="utf-8")
    described = "\n".join(f"\t\t'{command.name}:{quote(command.about)}'" for command in commands)
    pathlib.Path(zsh).write_text(ZSH.replace("@COMMANDS@", described).replace(
        "@CASES@", "\n".join(map(zsh_case, commands))), encoding="utf-8")


if __name__ == "__main__":
    main()
