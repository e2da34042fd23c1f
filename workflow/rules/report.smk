# One table of all runs, one file or page for each artefact, and the report. Their places have no
# digest: among the inputs of each is a file that changes when what decides it does.


rule collect:
    input:
        JOBS.inputs("collect"),
    output:
        PATHS.table,
    log:
        LOGS / "collect.log",
    benchmark:
        PATHS.benchmarks / "collect.tsv"
    priority: JOBS.priority("collect")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "collect all runs"
    shell:
        "pdbench collect {params.study:q} > {log} 2>&1"


rule figure:
    input:
        lambda w: JOBS.inputs("figure", w.artefact),
    output:
        PATHS.artefact("{artefact}", "figure"),
    log:
        LOGS / "figure/{artefact}.log",
    benchmark:
        PATHS.benchmarks / "figure/{artefact}.tsv"
    wildcard_constraints:
        artefact="|".join(STUDY.artefacts),
    priority: lambda w: JOBS.priority("figure", w.artefact)
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "draw {wildcards.artefact}"
    shell:
        "pdbench artefact {params.study:q} {wildcards.artefact} > {log} 2>&1"


use rule figure as table with:
    input:
        lambda w: JOBS.inputs("table", w.artefact),
    output:
        PATHS.artefact("{artefact}", "table"),
    log:
        LOGS / "table/{artefact}.log",
    benchmark:
        PATHS.benchmarks / "table/{artefact}.tsv"
    priority: lambda w: JOBS.priority("table", w.artefact)


for artefact in STUDY.artefacts:

    rule:
        name:
            artefact
        input:
            PATHS.artefact(artefact),
        localrule: True


# It succeeds whatever it finds, so that its files are kept; `check` fails.
rule gate:
    input:
        JOBS.inputs("gate") if STUDY.gate else [],
    output:
        **PATHS.gate,
    log:
        LOGS / "gate.log",
    benchmark:
        PATHS.benchmarks / "gate.tsv"
    priority: JOBS.priority("gate") if STUDY.gate else 0
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "compare methods with their baselines"
    shell:
        "pdbench check --study {params.study:q} --exit-zero --json {output.json}"
        " --junit {output.xml} --markdown {output.md} > {log} 2>&1"


# Without a gate block it needs nothing, and says so before anything is trained.
rule check:
    input:
        PATHS.gate.values() if STUDY.gate else [],
    log:
        LOGS / "check.log",
    benchmark:
        PATHS.benchmarks / "check.tsv"
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        stored=lambda w, input: f"--from {PATHS.gate['json']}" if input else "",
    message:
        "refuse what is not shown to be no worse"
    shell:
        "pdbench check --study {params.study:q} {params.stored} > {log} 2>&1 && code=0 || code=$?;"
        " cat {log}; exit $code"


rule report:
    input:
        JOBS.inputs("report"),
    output:
        PATHS.index,
    log:
        LOGS / "report.log",
    benchmark:
        PATHS.benchmarks / "report.tsv"
    priority: JOBS.priority("report")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "write the report"
    shell:
        "pdbench report {params.study:q} > {log} 2>&1"


# What failed is missing in this report, which stands apart: the next run takes it for nothing.
onerror:
    shell(
        "mkdir -p {LOGS}; page=$(pdbench report {ARGUMENT:q} --partial 2> {LOGS}/partial.log)"
        ' && echo "The report of what there is: $page" >&2 || true'
    )
