# Bash breaks words at = and :; the command is asked about whole ones, and bash is given what follows the break.
_interline() {
    local line=${COMP_LINE:0:COMP_POINT} word place=0
    local -a whole=()
    while (( place <= COMP_CWORD )); do
        word=${COMP_WORDS[place]}
        if [[ ${#whole[@]} -eq 0 || $line == [[:space:]]* ]]; then
            whole+=("")
        fi
        line=${line#"${line%%[![:space:]]*}"}
        if (( place == COMP_CWORD )); then
            word=$line
        fi
        whole[-1]+=$word
        line=${line#"$word"}
        (( place += 1 ))
    done
    local typed=${whole[-1]} before=""
    if [[ $typed == *[=:]* ]]; then
        before=${typed%"${typed##*[=:]}"}
    fi
    local -a COMP_WORDS=("${whole[@]}")
    local COMP_CWORD=$(( ${#whole[@]} - 1 ))
    _clap_complete_interline "$1" "$typed" "${whole[-2]-}"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
