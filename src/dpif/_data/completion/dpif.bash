# Completion of dpif for bash; 'dpif completion bash' prints it. It asks dpif itself.

_dpif() {
    local -a words=()
    local rest=${COMP_LINE:0:COMP_POINT} word i breaks= typed text about
    # Bash takes words apart at @, = and : where they are in COMP_WORDBREAKS. What no blank divides is put together.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $rest == [[:blank:]]* ]]; then
            words+=("")
            rest=${rest#"${rest%%[![:blank:]]*}"}
        fi
        ((i == COMP_CWORD)) && word=$rest
        words[-1]+=$word
        rest=${rest#"$word"}
    done
    local current=${words[-1]}

    # Of a word with such a character in it, bash replaces only what is behind; an @ is replaced, too.
    for i in @ = :; do
        [[ $COMP_WORDBREAKS == *$i* ]] && breaks+=$i
    done
    [[ $breaks && $current == *[$breaks]* ]] && typed=${current%"${current##*[$breaks]}"}

    typed=${typed%@}

    COMPREPLY=()
    while IFS=$'\t' read -r text about; do
        if [[ $text == :files ]]; then
            compopt -o filenames 2>/dev/null
            while read -r word; do
                COMPREPLY+=("${word#"$typed"}")
            done < <(compgen -f -- "$current")
        else
            [[ $text == *[=@:] ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("${text#"$typed"}")
        fi
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}

complete -F _dpif dpif
