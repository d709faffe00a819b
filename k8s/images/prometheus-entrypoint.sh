#!/bin/sh
# Prometheus behind basic authentication. It wants the password's bcrypt hash; the password is random and long, so a cheap one will do,
# and every scrape and query has to be checked against it. Arguments are passed on.
set -eu
: "${PROMETHEUS_PASSWORD:?is not set, and Prometheus does not listen without one}"
web=/tmp/web.yml
umask 077
perl -e '
  my @letters = (".", "/", 0 .. 9, "A" .. "Z", "a" .. "z");
  my $salt = join "", map { $letters[rand @letters] } 1 .. 22;
  my $hash = crypt($ENV{PROMETHEUS_PASSWORD}, "\$2b\$05\$$salt");
  die "crypt(3) knows no bcrypt here\n" unless defined $hash && $hash =~ /^\$2b\$/;
  print "basic_auth_users:\n  faultline: \"$hash\"\n";
' >"$web"
unset PROMETHEUS_PASSWORD
exec prometheus --web.config.file="$web" "$@"
