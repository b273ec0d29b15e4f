#compdef dpif
# Completion of dpif for zsh; 'dpif completion zsh' prints it. It asks dpif itself.

_dpif() {
    local -a before whole open
    local line text about
    before=("${(@Q)words[2,CURRENT-1]}")
    # An empty list in quotes would be an empty word.
    ((CURRENT > 2)) || before=()
    for line in "${(@f)$("${(Q)words[1]}" __complete -- "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        text=${line%%$'\t'*}
        about=
        [[ $line == *$'\t'* ]] && about=":${line#*$'\t'}"
        case $text in
            '') ;;
            :files) _files ;;
            *[=@:]) open+=("${text//:/\\:}$about") ;;
            *) whole+=("${text//:/\\:}$about") ;;
        esac
    done
    (($#whole)) && _describe 'dpif' whole
    (($#open)) && _describe 'dpif' open -S ''
}

# The file is either read by compinit, which makes it the function, or sourced.
if [[ ${funcstack[1]-} == _dpif ]]; then
    _dpif "$@"
else
    compdef _dpif dpif
fi
