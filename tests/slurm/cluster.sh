#!/usr/bin/env bash
# A real SLURM on one Debian or Ubuntu machine, for tests: loopback only, without systemd or
# accounting; three nodes, each with two GPUs that exist in name only.
#   cluster.sh install   the packages slurm-wlm and munge
#   cluster.sh start     write /etc/slurm/{slurm,gres}.conf and start the daemons
#   cluster.sh stop      end them and remove those two files
#   cluster.sh fail NAME kill a node and all that runs on it
#   cluster.sh node NAME start it again
#   cluster.sh restart-controller
# Needs root, or sudo without a password. Its state and logs stand in $LAB.
set -euo pipefail

LAB=${LAB:-/tmp/pdbench-slurm}
MARK="# Written by the tests of pdbench (tests/slurm/cluster.sh), which remove it again."
NODES=(node1 node2 node3)
unset SLURM_CONF

die() {
  echo "cluster.sh: $*" >&2
  exit 2
}

if [ "$(id -u)" != 0 ]; then
  sudo --non-interactive true 2>/dev/null ||
    die "needs root or sudo without a password to run a SLURM; run it as root"
  exec sudo --non-interactive LAB="$LAB" "$0" "$@"
fi

runs() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

wait_for() {
  for _ in $(seq 200); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  die "timed out waiting for: $*; the logs are in $LAB/log"
}

refuse_foreign() {
  local file=/etc/slurm/slurm.conf
  if [ -e $file ] && ! grep -qF "$MARK" $file; then
    die "$file is not ours: this machine belongs to a SLURM cluster, which stays as it is"
  fi
}

install_packages() {
  if command -v slurmctld munged >/dev/null; then return; fi
  command -v apt-get >/dev/null || die "installs with apt-get only; install slurm-wlm and munge"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null
}

# SLURM_CONF cannot point elsewhere: Snakemake's plugin removes it from a job's environment.
write_configuration() {
  local host
  host=$(hostname -s)
  mkdir -p "$LAB"/{state,log} "${NODES[@]/#/$LAB/spool/}" /etc/slurm
  cat >/etc/slurm/slurm.conf <<CONF
$MARK
ClusterName=pdbench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=10
AccountingStorageType=accounting_storage/none
StateSaveLocation=$LAB/state
SlurmdSpoolDir=$LAB/spool/%n
SlurmctldPidFile=$LAB/state/slurmctld.pid
SlurmdPidFile=$LAB/state/slurmd-%n.pid
SlurmctldLogFile=$LAB/log/slurmctld.log
SlurmdLogFile=$LAB/log/slurmd-%n.log
JobCompType=jobcomp/filetxt
JobCompLoc=$LAB/log/jobs.txt
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
ReturnToService=2
MinJobAge=7200
KillWait=10
SlurmdTimeout=10
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node[1-3] NodeHostname=$host NodeAddr=127.0.0.1 Port=[26821-26823] CPUs=4 RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=node[1-3] Default=YES LLN=YES DefaultTime=10 MaxTime=1-00:00:00 PriorityTier=1
PartitionName=gpu Nodes=node[1-3] LLN=YES DefaultTime=10 MaxTime=1-00:00:00 PriorityTier=1
PartitionName=urgent Nodes=node[1-3] LLN=YES DefaultTime=10 MaxTime=1-00:00:00 PriorityTier=2
CONF
  cat >/etc/slurm/gres.conf <<CONF
$MARK
AutoDetect=off
NodeName=node[1-3] Name=gpu Type=fake File=/dev/null
NodeName=node[1-3] Name=gpu Type=fake File=/dev/zero
CONF
}

nodes_are_up() { [ "$(sinfo -h -p cpu -t idle,alloc,mix -o %D)" = "${#NODES[@]}" ]; }
controller_is_up() { scontrol ping | grep -q UP; }
munge_works() { munge -n | unmunge; }

restart_controller() {
  end "$LAB/state/slurmctld.pid"
  sleep 3
  slurmctld
  wait_for controller_is_up
}

# The process that a pid file names, gently first.
end() {
  local pid
  if runs "$1"; then
    pid=$(cat "$1")
    kill "$pid"
    for _ in $(seq 30); do
      kill -0 "$pid" 2>/dev/null || return 0
      sleep 0.1
    done
    kill -9 "$pid"
  fi
}

# As if its power had gone: the daemon, what it watches jobs with, and the jobs.
fail_node() {
  local environment pid parent
  kill -9 "$(cat "$LAB/state/slurmd-$1.pid")"
  for environment in /proc/[0-9]*/environ; do
    if tr '\0' '\n' 2>/dev/null <"$environment" | grep -qxF "SLURMD_NODENAME=$1"; then
      pid=${environment//[^0-9]/}
      parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
      if [ "$(cat "/proc/${parent:-0}/comm" 2>/dev/null)" = slurmstepd ]; then
        kill -9 "$parent" 2>/dev/null || true
      fi
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
}

start_node() { runs "$LAB/state/slurmd-$1.pid" || slurmd -N "$1"; }

start() {
  refuse_foreign
  command -v slurmctld munged >/dev/null || die "there is no SLURM here: cluster.sh install"
  runs "$LAB/state/slurmctld.pid" && die "it runs already: cluster.sh stop"
  rm -rf "$LAB"
  write_configuration
  if ! munge_works >/dev/null 2>&1; then
    install -d -o munge -g munge -m 0755 /run/munge
    runuser -u munge -- /usr/sbin/munged
    cp /run/munge/munged.pid "$LAB/state/"
  fi
  wait_for munge_works
  runs "$LAB/state/slurmctld.pid" || slurmctld
  wait_for controller_is_up
  for node in "${NODES[@]}"; do start_node "$node"; done
  wait_for nodes_are_up
  sinfo -o '%P %D %t %c %m %G'
}

stop() {
  refuse_foreign
  if controller_is_up 2>/dev/null; then
    squeue -h -o %A | xargs -r scancel --signal=KILL --full 2>/dev/null || true
  fi
  for file in "$LAB"/state/{slurmd-node1,slurmd-node2,slurmd-node3,slurmctld,munged}.pid; do
    end "$file"
  done
  # Left there without a controller, they would cost every `snakemake` ten seconds.
  rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
}

case "${1:-}" in
  install) install_packages ;;
  start) start ;;
  stop) stop ;;
  fail) fail_node "${2:?name a node}" ;;
  node) start_node "${2:?name a node}" ;;
  restart-controller) restart_controller ;;
  *) sed -n 2,11p "$0"; exit 2 ;;
esac
