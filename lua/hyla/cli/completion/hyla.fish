# fish completion of hyla. `hyla complete` knows what may come next; here it is only asked.
function __hyla_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l hyla $words[1]
    set -e words[1]
    for line in ($hyla complete $words "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :folders
                __fish_complete_directories "$current" ""
            case '*'
                echo $line
        end
    end
end
complete -c hyla -f -a '(__hyla_complete)'
