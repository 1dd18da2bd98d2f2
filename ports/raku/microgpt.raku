use lib $?FILE.IO.parent.add('lib');
use Microgpt;

multi sub MAIN() { serve }
multi sub MAIN('run', Str $preset = 'seed') { print-run $preset }
multi sub MAIN(*@) { print-run '' }
