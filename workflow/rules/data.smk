# Archives are downloaded, checked and read into tasks and texts; the audit looks at all of
# them before any training begins.


rule archive:
    output:
        ARCHIVES / "{file}",
    log:
        LOGS / "archive/{file}.log",
    benchmark:
        BENCHMARKS / "archive/{file}.tsv"
    wildcard_constraints:
        file="[^/]+",
    priority: lambda w: JOBS.priority("archive", w.file)
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    # One at a time: downloads share the network, and latency then finds all cores free.
    threads: os.cpu_count()
    params:
        name=lambda w: archive_of(w.file),
    message:
        "download {params.name}"
    shell:
        "pdbench archive {params.name} > {log} 2>&1"


rule task:
    input:
        lambda w: PATHS.task_inputs(w.task),
    output:
        PATHS.task("{task}") / "task.json",
    log:
        LOGS / "task/{task}.log",
    benchmark:
        BENCHMARKS / "task/{task}.tsv"
    priority: lambda w: JOBS.priority("task", w.task)
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.task_spec(w.task),
    message:
        "read task {wildcards.task}"
    shell:
        "pdbench task {params.study:q} {wildcards.task} > {log} 2>&1"


rule text:
    input:
        lambda w: PATHS.text_inputs(w.text),
    output:
        PATHS.text("{text}") / "text.json",
    log:
        LOGS / "text/{text}.log",
    benchmark:
        BENCHMARKS / "text/{text}.tsv"
    priority: lambda w: JOBS.priority("text", w.text)
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.text_spec(w.text),
    message:
        "read text {wildcards.text}"
    shell:
        "pdbench text {params.study:q} {wildcards.text} > {log} 2>&1"


rule audit:
    input:
        PATHS.task_files,
        PATHS.text_files,
    output:
        PATHS.audit,
    log:
        LOGS / "audit.log",
    benchmark:
        BENCHMARKS / "audit.tsv"
    priority: JOBS.priority("audit")
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=JOBS.audit_spec(),
    message:
        "audit all data"
    shell:
        "pdbench audit {params.study:q} > {log} 2>&1"
