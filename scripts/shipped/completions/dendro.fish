# Completion of dendro for fish, in vendor_completions.d. What may stand next is
# said by dist/bundle/complete.sh.
function __dendro_complete
    set -l program (readlink -f -- (command -s dendro))
    set -l core (string replace -r '/scripts/dendro$' '/dist/bundle/complete.sh' -- $program)
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    for line in (sh $core $words[2..-1] "$current")
        switch $line
            case ':directories'
                __fish_complete_directories $current ''
            case ':files'
                __fish_complete_path $current
            case ':commands'
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c dendro -f -a '(__dendro_complete)'
