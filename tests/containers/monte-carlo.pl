#!/usr/bin/perl
# The demo's job for an image that has nothing but what every Debian has: estimates pi by throwing points into a square, saves after
# every step all that it needs to go on, and starts from what an earlier attempt has saved. Its result does not depend on interruptions.
use strict;
use warnings;
use integer;

my ($steps, $seed, $pause_ms) = @ARGV;
my ($step, $inside, $random) = (0, 0, $seed);
my $resumed = 0;
mkdir $_ for 'checkpoints', 'output';
for my $file (sort glob 'checkpoints/checkpoint-*') {
  open my $in, '<', $file or die "$file: $!";
  ($step, $inside, $random) = split ' ', <$in>;
  $resumed = $step;
}
$| = 1;
print "Resuming after step $resumed\n";

while ($step < $steps) {
  for (1 .. 2000) {
    my ($x, $y) = (next_random(), next_random());
    $inside++ if $x * $x + $y * $y < 1 << 30;
  }
  $step++;
  write_whole(sprintf('checkpoints/checkpoint-%06d', $step), "$step $inside $random\n");
  pause($pause_ms) if $pause_ms;
}
write_whole('output/result', "$inside of @{[2000 * $steps]}\n");
write_whole('output/resumed', "$resumed\n");

# 15 bits of a linear congruential generator.
sub next_random {
  $random = ($random * 1103515245 + 12345) & 0x7fffffff;
  return $random >> 16;
}

sub write_whole {
  my ($path, $text) = @_;
  open my $out, '>', "$path.new" or die "$path: $!";
  print $out $text;
  close $out or die "$path: $!";
  rename "$path.new", $path or die "$path: $!";
}

sub pause {
  no integer;
  select undef, undef, undef, $_[0] / 1000;
}
